"""One action is one action: the same calls over every transport, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.olympus_stage import PASSWORD, UNKNOWN_ID, Olympus, Person
from tests.promises.voices import Outcome, Voice
from tests.services.channel_stage import Node, Screen

ANOTHER_PASSWORD = "a quiet harbour, before the storm"
SIGN_UP = {"name": "Grace", "email": "Grace@Example.com", "password": PASSWORD}


FILE_ACTIONS = ("file:upload", "file:download")


def without_times(user: dict[str, Any]) -> dict[str, Any]:
    """A user without what differs from call to call."""
    return {name: held for name, held in user.items() if name not in ("id", "createdAt", "updatedAt")}


async def everywhere(voices: Mapping[str, Voice], who: Person | None, action: str, /, **inputs: Any) -> Outcome:
    """The one outcome that a call has on every transport."""
    files = action in FILE_ACTIONS
    outcomes = {
        name: await voice.call(who, action, **inputs) for name, voice in voices.items() if voice.carries_files >= files
    }
    first, *others = outcomes.values()
    assert all(other == first for other in others), outcomes
    return first


async def test_signing_up_gives_the_same_result(olympus: Olympus, voice: Voice) -> None:
    """`user:create` gives the same user on every transport."""
    outcome = await voice.call(None, "user:create", **SIGN_UP)

    assert without_times(outcome.result) == {"name": "Grace", "email": "grace@example.com"}


async def test_every_transport_gives_the_same_object(olympus: Olympus, voices: dict[str, Voice]) -> None:
    """What one transport made, every transport shows in the same words, and lists in the same order."""
    ada = await olympus.person("Ada")
    made = [(await voice.call(ada, "message:create", body=f"over {name}")).result for name, voice in voices.items()]

    for voice in voices.values():
        for message in made:
            assert (await voice.call(ada, "message:view", message_id=message["id"])).result == message
        listed = (await voice.call(ada, "messages:list", limit=2, page=1)).result
        assert listed["messages"] == [made[-1], made[-2]]
        assert listed["pagination"] == {"page": 1, "limit": 2, "total": 4, "pages": 2}


async def test_a_user_is_seen_by_others_without_the_email(olympus: Olympus, voice: Voice) -> None:
    """`user:view` shows an email only to oneself, on every transport."""
    ada, eve = await olympus.person("Ada"), await olympus.person("Eve")

    own = await voice.call(ada, "user:view", user_id=ada.id)
    others = await voice.call(ada, "user:view", user_id=eve.id)

    assert own.result["email"] == ada.email
    assert others.result.keys() == {"id", "name", "createdAt", "updatedAt"}


async def test_a_list_says_from_where_to_watch_on(olympus: Olympus, voices: dict[str, Voice]) -> None:
    """The position of `messages:list` is one place, whoever asks through whatever."""
    ada = await olympus.person("Ada")
    for name, voice in voices.items():
        await voice.call(ada, "message:create", body=f"over {name}")

    listed = await everywhere(voices, ada, "messages:list")

    assert listed.result["position"]["offset"] == len(voices)
    assert listed.result["position"]["epoch"]


async def test_who_is_there_is_told_alike(olympus: Olympus, voices: dict[str, Voice]) -> None:
    """`channel:members` names the same members on every transport; what is no topic is the same NOT_FOUND."""
    ada = await olympus.person("Ada")
    await Screen(Node(olympus.running.runtime), ada.caller).watch("messages")

    members = await everywhere(voices, ada, "channel:members", channel="messages")
    unknown = await everywhere(voices, ada, "channel:members", channel="nothing")

    assert [(member["id"], member["name"]) for member in members.result["members"]] == [(ada.id, "Ada")]
    assert members.result["count"] == 1
    assert unknown.error == "NOT_FOUND"


@pytest.mark.parametrize("name", ["cli", "direct"])
async def test_a_ticket_needs_a_session(olympus: Olympus, voices: dict[str, Voice], name: str) -> None:
    """Whoever calls without a session, such as with `--as`, gets no ticket, whoever they are."""
    ada = await olympus.person("Ada")

    outcome = await voices[name].call(ada, "socket:ticket")

    assert (outcome.error, "session:create" in outcome.message) == ("NOT_SIGNED_IN", True)


async def test_an_account_is_changed(olympus: Olympus, voice: Voice) -> None:
    """`user:edit` changes the same things on every transport, and the new password signs in."""
    ada = await olympus.person("Ada")

    outcome = await voice.call(
        ada, "user:edit", name="Ada Lovelace", password=ANOTHER_PASSWORD, current_password=PASSWORD, keep_others=True
    )

    assert without_times(outcome.result) == {"name": "Ada Lovelace", "email": ada.email}
    await olympus.sign_in(ada, password=ANOTHER_PASSWORD)


async def test_a_file_goes_in_and_comes_out(
    olympus: Olympus, file_voice: Voice, file_voices: dict[str, Voice], tmp_path: Path
) -> None:
    """A file that one transport took, every transport gives back, and the sender still has their own."""
    ada = await olympus.person("Ada")
    path = tmp_path / "iliad.txt"
    path.write_bytes(b"Sing, goddess")

    file = (await file_voice.call(ada, "file:upload", file=path, description="a line")).result

    assert (file["name"], file["type"], file["sizeBytes"]) == ("iliad.txt", "text/plain", 13)
    for other in file_voices.values():
        assert (await other.call(ada, "file:download", file_id=file["id"])).result == b"Sing, goddess"
    assert path.read_bytes() == b"Sing, goddess"
    assert (await file_voice.call(ada, "file:delete", file_id=file["id"])).result is None
    assert not olympus.kept()


async def test_a_refused_file_leaves_nothing(olympus: Olympus, file_voice: Voice, tmp_path: Path) -> None:
    """A file that is not what its name says is the same 422 on every transport, and nothing of it is kept."""
    ada = await olympus.person("Ada")
    path = tmp_path / "picture.png"
    path.write_bytes(b"no picture at all")

    outcome = await file_voice.call(ada, "file:upload", file=path)

    assert (outcome.error, outcome.fields) == ("INVALID_INPUT", ("file",))
    if file_voice.name != "direct":  # there the caller owns the file
        assert not olympus.kept()


@pytest.mark.parametrize("action", FILE_ACTIONS)
async def test_files_do_not_go_over_sockets(olympus: Olympus, voices: dict[str, Voice], action: str) -> None:
    """The actions are not there, for nobody."""
    ada = await olympus.person("Ada")

    outcomes = [await voices["websocket"].call(who, action) for who in (None, ada)]

    assert [outcome.error for outcome in outcomes] == ["NOT_FOUND", "NOT_FOUND"]


@pytest.mark.parametrize(
    ("action", "inputs", "fields"),
    [
        ("user:create", {"name": "ab", "email": "nobody"}, ("name", "email", "password")),
        ("user:create", {**SIGN_UP, "password": "short"}, ("password",)),
        ("user:create", {**SIGN_UP, "name": "x" * 257}, ("name",)),
        ("user:create", {**SIGN_UP, "name": "nul\0nul"}, ("name",)),
        ("user:edit", {}, ()),
        ("user:edit", {"email": "new@example.com"}, ("currentPassword",)),
        ("message:create", {}, ("body",)),
        ("message:create", {"body": ""}, ("body",)),
        ("message:create", {"body": "x" * 1001}, ("body",)),
        ("messages:list", {"page": 0, "limit": 101}, ("page", "limit")),
    ],
)
async def test_bad_inputs_are_one_error(
    olympus: Olympus, voices: dict[str, Voice], action: str, inputs: dict[str, Any], fields: tuple[str, ...]
) -> None:
    """Inputs that do not fit are INVALID_INPUT with every field at fault, on every transport."""
    ada = await olympus.person("Ada")

    outcome = await everywhere(voices, ada, action, **inputs)

    assert (outcome.error, outcome.fields) == ("INVALID_INPUT", fields)


@pytest.mark.parametrize("field", ["name", "email"])
async def test_what_is_taken_is_one_error(olympus: Olympus, voices: dict[str, Voice], field: str) -> None:
    """A taken name or email is CONFLICT naming it, on every transport."""
    ada = await olympus.person("Ada")

    outcome = await everywhere(voices, None, "user:create", **{**SIGN_UP, field: getattr(ada, field)})

    assert (outcome.error, outcome.fields) == ("CONFLICT", (field,))


@pytest.mark.parametrize(
    ("action", "name"), [("user:view", "user_id"), ("message:view", "message_id"), ("file:download", "file_id")]
)
async def test_what_is_not_there_is_one_error(
    olympus: Olympus, voices: dict[str, Voice], action: str, name: str
) -> None:
    """An unknown id and a malformed one are the same NOT_FOUND, on every transport."""
    ada = await olympus.person("Ada")

    unknown = await everywhere(voices, ada, action, **{name: UNKNOWN_ID})
    malformed = await everywhere(voices, ada, action, **{name: "no-id"})

    assert unknown.error == "NOT_FOUND"
    assert malformed == unknown


async def test_a_foreign_file_is_not_there(olympus: Olympus, voices: dict[str, Voice], tmp_path: Path) -> None:
    """A file of somebody else is the same NOT_FOUND as an unknown one, on every transport."""
    ada, eve = await olympus.person("Ada"), await olympus.person("Eve")
    path = tmp_path / "iliad.txt"
    path.write_bytes(b"Sing, goddess")
    file = (await voices["http"].call(ada, "file:upload", file=path)).result

    for action in ("file:download", "file:delete"):
        foreign = await everywhere(voices, eve, action, file_id=file["id"])
        assert foreign == await everywhere(voices, eve, action, file_id=UNKNOWN_ID)
        assert foreign.error == "NOT_FOUND"


@pytest.mark.parametrize(
    "action",
    [
        "user:edit",
        "user:view",
        "session:destroy",
        "socket:ticket",
        "channel:members",
        "message:create",
        "messages:list",
        "message:view",
        "file:upload",
        "file:download",
        "file:delete",
    ],
)
async def test_a_stranger_is_refused_before_anything_else(
    olympus: Olympus, voices: dict[str, Voice], action: str
) -> None:
    """What is for those signed in is NOT_SIGNED_IN for anybody else, whatever the inputs, on every transport."""
    inputs = dict.fromkeys(("user_id", "message_id", "file_id", "channel"), "x")
    known = {field.name for field in olympus.running.runtime.actions[action].schema.fields}

    outcome = await everywhere(voices, None, action, **{name: value for name, value in inputs.items() if name in known})

    assert (outcome.error, outcome.fields) == ("NOT_SIGNED_IN", ())


@pytest.mark.parametrize("action", ["messages:cleanup", "messages:hello"])
@pytest.mark.parametrize("name", ["websocket", "cli", "direct"])
async def test_only_admins_are_let_in(olympus: Olympus, voices: dict[str, Voice], name: str, action: str) -> None:
    """What is for admins is NOT_SIGNED_IN for a stranger, FORBIDDEN for a user, and answered for an admin."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()

    outcomes = [await voices[name].call(who, action) for who in (None, ada, hera)]

    assert [outcome.error for outcome in outcomes] == ["NOT_SIGNED_IN", "FORBIDDEN", None]


async def test_a_wrong_current_password_is_one_error(olympus: Olympus, voices: dict[str, Voice]) -> None:
    """`user:edit` with a wrong current password is FORBIDDEN on every transport."""
    ada = await olympus.person("Ada")

    outcome = await everywhere(
        voices, ada, "user:edit", password=ANOTHER_PASSWORD, current_password="not this one, surely"
    )

    assert (outcome.error, outcome.message) == ("FORBIDDEN", "The current password is wrong.")


async def test_a_failed_sign_in_is_one_error(olympus: Olympus, voices: dict[str, Voice]) -> None:
    """`session:create` tells nothing but NOT_SIGNED_IN, on every transport."""
    await olympus.person("Ada")

    wrong = await everywhere(voices, None, "session:create", email="ada@example.com", password="not this one, surely")
    unknown = await everywhere(voices, None, "session:create", email="nobody@example.com", password=PASSWORD)

    assert wrong.error == "NOT_SIGNED_IN"
    assert wrong == unknown


async def test_a_stream_has_the_same_items(voice: Voice) -> None:
    """`streaming:counter` gives the same items on every transport."""
    outcome = await voice.stream(None, "streaming:counter", to=3)

    assert outcome.result == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_stream_is_refused_before_its_first_item(voice: Voice) -> None:
    """Bad inputs of a stream are the ordinary error, on every transport."""
    outcome = await voice.stream(None, "streaming:counter", to=101)

    assert (outcome.error, outcome.fields) == ("INVALID_INPUT", ("to",))
