"""Two tenants of one Olympus: Ada's, and that of Eve, who has something of every kind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random
from types import UnionType
from typing import Annotated, Any, TypeAliasType, get_args, get_origin

from antiphon import Queues
from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.modules.accounts.roles import grant_role
from antiphon.modules.accounts.tenants import create_tenant
from tests.olympus_stage import Olympus, Person
from tests.promises.access_matrix import IDS, Objects
from tests.promises.outcome import Outcome

MARK = "lyre-of-eve"
"""What stands in everything that is Eve's."""

CONTENT = b"Sing, goddess, of the lyre-of-eve"


class Neighbours:
    """Ada, who owns her tenant, and Eve with hers; `things` are Eve's, by the kind that `IDS` names."""

    def __init__(self, olympus: Olympus, ada: Person, eve: Person) -> None:
        self.olympus = olympus
        self.ada = ada
        self.eve = eve
        self.things: dict[str, str] = {}
        self.cursors: dict[str, str] = {}

    @property
    def all_of_it(self) -> list[str]:
        """Whatever names something of Eve's."""
        topics = [f"job:{self.things['job']}", "messages"]
        return [*self.things.values(), *self.cursors.values(), *topics, self.eve.email, self.eve.name, "files"]

    async def state(self) -> list[Any]:
        """All that Eve has, as she sees it."""
        client, things = self.eve.client, self.things
        paths = [
            f"user/{self.eve.id}", f"message/{things['message']}", f"file/{things['file']}/about",
            f"jobs/{things['job']}", "messages/list",
        ]  # fmt: skip
        answers = [(await client.get(f"/api/{path}")).json for path in paths]
        lists = [(await client.get(f"/api/{path}")).json for path in ("keys", "sessions")]
        ids = [sorted(each["id"] for each in next(iter(listed.values()))) for listed in lists]
        return [*answers, *ids, (await client.get(f"/api/file/{things['file']}")).body]


async def settle(olympus: Olympus) -> Neighbours:
    """Let both move in, and let Eve make one of everything, with her mark on it."""
    ada, eve = await olympus.holder("owner", "Ada"), await olympus.person(MARK)
    call = olympus.running.call
    for name, person in (("ours", ada), ("theirs", eve)):
        await olympus.move(person, (await call(create_tenant, name)).id)
    for person, role in ((ada, "owner"), (eve, "customer")):
        await call(grant_role, person.id, role)
        await olympus.sign_in(person)
        person.roles = frozenset({role})
    neighbours = Neighbours(olympus, ada, eve)
    client, things = eve.client, neighbours.things
    # A queue that rests keeps its job unfinished.
    await olympus.running.runtime.require(Queues, "the test").pause("files")
    uploaded = await client.upload("/api/file", f"{MARK}.txt", CONTENT, description=MARK)
    things |= {"user": eve.id, "tenant": eve.tenant_id, "file": uploaded.json["id"], "job": uploaded.json["jobId"]}
    things["message"] = (await client.put("/api/message", {"body": MARK})).json["id"]
    key = {"name": MARK, "permissions": ["task:*:own"]}
    things["key"] = (await client.put("/api/key", key)).json["id"]
    things["session"] = await Objects(olympus, {"foreign": eve}).make("session", "foreign")
    await _take_cursors(neighbours)
    return neighbours


async def _take_cursors(neighbours: Neighbours) -> None:
    """An admin of Eve's tenant is given cursors of its lists."""
    olympus = neighbours.olympus
    for number in range(2):
        await neighbours.eve.client.upload("/api/file", f"{MARK} {number}.txt", CONTENT, description=MARK)
    zeus = await olympus.person("Zeus", signed_in=False)
    await olympus.move(zeus, neighbours.eve.tenant_id)
    await olympus.running.call(grant_role, zeus.id, "admin")
    await olympus.sign_in(zeus)
    listed = (await zeus.client.get("/api/jobs?queue=files&limit=1")).json
    assert listed["cursor"]
    neighbours.cursors["jobs"] = listed["cursor"]


def texts_of(action: AnyAction) -> list[str]:
    """The inputs of an action that take a text, or several."""
    return [field.name for field in action.schema.fields if not field.file and _holds_text(field.type)]


def is_tried(action: AnyAction) -> bool:
    """Whether an action is for whoever is signed in, takes something that may name an object, and no file."""
    allow = action.trait(Allow)
    files = any(field.file and field.required for field in action.schema.fields)
    return allow is not None and not allow.open and not files and bool(texts_of(action))


def inputs_for(action: AnyAction, neighbours: Neighbours, chance: Random) -> dict[str, Any]:
    """Inputs that name what is Eve's: by its kind where the input says one, else anything of hers.

    What would be kept is not hers, or it would be told later by whoever wrote it.
    """
    inputs: dict[str, Any] = {}
    for field in action.schema.fields:
        name = field.name
        if not _holds_text(field.type):
            inputs |= {name: 1} if field.required else {}
            continue
        if not field.required and name not in IDS and chance.random() < 0.5:
            continue
        if name in IDS and chance.random() < 0.8:
            value = neighbours.things[IDS[name]]
        elif name in IDS or action.reads_only:
            value = chance.choice(neighbours.all_of_it)
        else:
            value = "ada"
        inputs[name] = [value] if _is_list(field.type) else value
    return inputs


def shown(outcome: Outcome) -> str:
    """All that an answer says, as one text."""
    result = outcome.result
    said = result.decode("utf-8", "replace") if isinstance(result, bytes) else json.dumps(result)
    return f"{said} {outcome.message}"


def leaks(neighbours: Neighbours, given: dict[str, Any], outcome: Outcome) -> list[str]:
    """What an answer tells of Eve that was not in the question."""
    asked, said = json.dumps(given), shown(outcome)
    secrets = [MARK, neighbours.eve.email, *neighbours.things.values()]
    return [each for each in secrets if each in said and each not in asked]


def _parts(kind: Any) -> Iterator[Any]:
    if isinstance(kind, TypeAliasType):
        yield from _parts(kind.__value__)
    elif get_origin(kind) is Annotated:
        yield from _parts(get_args(kind)[0])
    elif get_origin(kind) is UnionType:
        for part in get_args(kind):
            yield from _parts(part)
    else:
        yield kind


def _holds_text(kind: Any) -> bool:
    parts = [*_parts(kind)]
    return str in parts or any(get_origin(part) is list and str in _parts(get_args(part)[0]) for part in parts)


def _is_list(kind: Any) -> bool:
    return any(get_origin(part) is list for part in _parts(kind))
