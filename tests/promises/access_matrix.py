"""The table of who may do what, and what is tried to see whether it holds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from websockets.exceptions import ConnectionClosed

from antiphon import Queues
from antiphon.core.access import Allow
from antiphon.core.action import AnyAction, Stream
from antiphon.core.traits import answers_on
from antiphon.modules.accounts.roles import grant_role
from antiphon.transports.http.routes import Route
from antiphon.transports.websocket.desk import is_reachable
from olympus.app import app
from tests.olympus_stage import PASSWORD, Olympus, Person
from tests.promises.outcome import Outcome
from tests.promises.voices import Voice

ACTIONS = {action.name: action for action in app.gathered().actions}
"""Every action of Olympus."""

ROLES = ("anonymous", "user", "customer", "staff", "manager", "owner", "admin")
OWNERS = ("own", "tenant", "foreign")
_WORDS = {"NOT_SIGNED_IN": "401", "FORBIDDEN": "403", "NOT_FOUND": "404", "INVALID_INPUT": "422", "CONFLICT": "409"}

SIGNED_OUT = 4501

IDS = {
    "user_id": "user",
    "message_id": "message",
    "file_id": "file",
    "key_id": "key",
    "session_id": "session",
    "tenant_id": "tenant",
    "job_id": "job",
}
"""The inputs that name an object, and of which kind it is."""


OF_A_SESSION = ("socket:ticket",)
"""What needs the session of a client, and so says itself that there is none where nobody has one."""


class Row(NamedTuple):
    """A line of the second part."""

    action: str
    role: str
    expected: dict[str, str]


def read_table() -> tuple[dict[str, dict[str, str]], list[Row]]:
    """Both parts of the table: by action and role, and the lines about objects."""
    by_role: dict[str, dict[str, str]] = {}
    rows: list[Row] = []
    head: list[str] = []
    for line in Path(__file__).with_name("access_table.txt").read_text(encoding="utf-8").splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] in ("action", "object"):
            head = words
        elif head[0] == "action":
            by_role[words[0]] = dict(zip(head[1:], words[1:], strict=True))
        else:
            rows.append(Row(words[0], words[1], dict(zip(head[2:], words[2:], strict=True))))
    return by_role, rows


def missing(actions: Mapping[str, AnyAction], by_role: Mapping[str, object]) -> list[str]:
    """A line for each action that the first part does not have, as somebody would begin to write it."""
    lines: list[str] = []
    for name in sorted(actions.keys() - by_role.keys()):
        allow = actions[name].trait(Allow)
        lines.append(f"{name} ({allow and allow.summary}) is missing from tests/promises/access_table.txt.")
    return lines


def object_of(action: AnyAction) -> str | None:
    """The input by which an action names its object; the last one, when it names several."""
    named = [field.name for field in action.schema.fields if field.name in IDS]
    return "user_id" if "user_id" in named else named[-1] if named else None


def carried_by(voice: Voice, action: AnyAction) -> bool:
    """Whether an action is reached over a transport."""
    if voice.name == "http":
        return action.trait(Route) is not None and answers_on(action, "http")
    if voice.name == "websocket":
        return is_reachable(action)
    if action.name in OF_A_SESSION:
        return False
    return voice.name == "direct" or answers_on(action, "worker" if voice.name == "worker" else "cli")


def needs_own_people(action: AnyAction, kind: str) -> bool:
    """Whether a call changes what the people themselves are, so that no other line may be asked with them."""
    return not action.reads_only and kind in ("user", "tenant", "session")


async def knock(voice: Voice, who: Person | None, action: AnyAction) -> str:
    """Call an action with inputs that fit nothing: whoever is refused before they are read learns only that.

    An action without inputs is run, and one that is open to everybody is not tried: what it says is its own.
    """
    allow = action.trait(Allow)
    if allow is not None and allow.open:
        return "in"
    inputs = {field.name: _nonsense(field.name) for field in action.schema.fields if field.required and not field.file}
    call = voice.stream if isinstance(action, Stream) else voice.call
    if voice.name == "direct" and any(field.file and field.required for field in action.schema.fields):
        inputs = {}
    word = word_of(await call(who, action.name, **inputs))
    return word if word in ("401", "403") else "in"


async def ask(voice: Voice, who: Person, action: AnyAction, inputs: dict[str, str]) -> str:
    """What becomes of a call, in the words of the table."""
    try:
        return word_of(await voice.call(who, action.name, **inputs))
    except ConnectionClosed as closed:
        # Whoever ends their own sign-ins ends the socket that they said it on.
        if closed.rcvd is not None and closed.rcvd.code == SIGNED_OUT:
            return "in"
        raise


def word_of(outcome: Outcome) -> str:
    """How the table says what became of a call."""
    return "in" if outcome.error is None else _WORDS.get(outcome.error, outcome.error)


def _nonsense(name: str) -> object:
    return ["x"] if name == "permissions" else "x"


class Objects:
    """Objects of three people: the caller, somebody of the same tenant, and somebody of another."""

    def __init__(self, olympus: Olympus, people: dict[str, Person]) -> None:
        self._olympus = olympus
        self._people = people

    async def make(self, kind: str, whose: str) -> str:
        """The id of a new object."""
        person = self._people[whose]
        client = person.client
        if kind == "user":
            return person.id
        if kind == "tenant":
            return person.tenant_id
        if kind == "message":
            return (await client.put("/api/message", {"body": "hello"})).json["id"]
        if kind in ("file", "job"):
            # A queue that rests keeps its job unfinished.
            await self._olympus.running.runtime.require(Queues, "the test").pause("files")
        if kind == "file":
            return (await client.upload("/api/file", "a.txt", b"Sing, goddess")).json["id"]
        if kind == "job":
            return (await client.upload("/api/file", "a.txt", b"Sing, goddess")).json["jobId"]
        if kind == "key":
            # Nobody has a key to less than something.
            await self._olympus.running.call(grant_role, person.id, "customer")
            return (await client.put("/api/key", {"name": "a key", "permissions": ["task:*:own"]})).json["id"]
        elsewhere = self._olympus.client()
        await elsewhere.put("/api/session", {"email": person.email, "password": PASSWORD})
        listed = (await elsewhere.get("/api/sessions")).json
        return next(each["id"] for each in next(iter(listed.values())) if each["current"])
