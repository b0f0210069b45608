"""Actions that are a plain `def`: answered where they are read, and on the same terms as any other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

import pytest
from msgspec import Meta

from antiphon import Conflict, Context, NotFound, Struct, action, allow, anyone, get, put
from tests.core.stage import Pieces, Steps
from tests.transports.websocket_stage import Server, Stage, on_stage


class Entry(Struct):
    """Something that was written down."""

    number: int
    text: str
    loud: bool


@action("entry:put", put("/entry/{number}"), allow(anyone))
def put_entry(ctx: Context, number: int, text: Annotated[str, Meta(min_length=1)], loud: bool = False) -> Entry:
    """Write something down; what has to be awaited comes at the end of the call."""
    ctx.at_end(ctx.get(Steps).step("kept", Conflict("Taken.") if text == "taken" else None))
    if text == "nobody":
        raise NotFound
    return Entry(number, text, loud)


@action("entry:view", get("/entry/{number}"), allow(anyone))
def view_entry(ctx: Context, number: int) -> Entry:
    """Nothing is left for the end."""
    return Entry(number, "seen", loud=False)


@pytest.fixture
def steps() -> Steps:
    """What the end of each call was told."""
    return Steps()


@pytest.fixture
async def entries(tmp_path: Path, shared: tuple[str, str], server: Server, steps: Steps) -> AsyncIterator[Stage]:
    """The actions, on each server."""
    pieces = Pieces(put_entry, view_entry)
    async with on_stage(tmp_path, shared, server, modules=[pieces], values=[steps]) as stage:
        assert stage.runtime.runner("entry:put").instant
        yield stage


def outcomes(stage: Stage, name: str = "entry:put", transport: str = "http") -> dict[str, int]:
    """How its calls have ended."""
    return stage.runtime.runner(name).tallies[transport].outcomes


async def test_its_end_is_awaited(entries: Stage, steps: Steps) -> None:
    """A step that it leaves is done before the answer."""
    answer = await entries.ask("PUT", "/api/entry/7?loud=true", {"text": "a"})

    assert (answer.status, answer.json) == (200, {"number": 7, "text": "a", "loud": True})
    assert (steps.told, outcomes(entries)) == (["kept ok"], {"OK": 1})


async def test_its_end_is_told_of_an_error(entries: Stage, steps: Steps) -> None:
    """And the caller is told the same as without one."""
    answer = await entries.ask("PUT", "/api/entry/7", {"text": "nobody"})

    assert (answer.status, answer.type) == (404, "NOT_FOUND")
    assert (steps.told, outcomes(entries)) == (["kept NotFound"], {"NOT_FOUND": 1})


async def test_an_end_that_fails_fails_the_call(entries: Stage, steps: Steps) -> None:
    """What did not commit was not done."""
    answer = await entries.ask("PUT", "/api/entry/7", {"text": "taken"})

    assert (answer.status, answer.type) == (409, "CONFLICT")
    assert (steps.told, outcomes(entries)) == (["kept ok"], {"CONFLICT": 1})


async def test_a_body_in_pieces_is_waited_for(entries: Stage, steps: Steps) -> None:
    """The call begins when its inputs are there, and its end is counted once."""
    body = b'{"text":"a"}'
    head = b"PUT /api/entry/7 HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n"
    async with entries.connect() as connection:
        await connection.send_split(head + body)
        answer = await connection.answer("PUT")

    assert answer.status == 200
    assert (steps.told, outcomes(entries)) == (["kept ok"], {"OK": 1})


async def test_a_form_is_read_as_well(entries: Stage, steps: Steps) -> None:
    """Which always has to be awaited."""
    form = "application/x-www-form-urlencoded"
    answer = await entries.ask("PUT", "/api/entry/7", raw=b"text=a&loud=true", content_type=form)

    assert answer.json == {"number": 7, "text": "a", "loud": True}
    assert steps.told == ["kept ok"]


@pytest.mark.parametrize("path", ["/api/entry/x", "/api/entry/7"])
async def test_bad_inputs_are_refused_and_counted(entries: Stage, steps: Steps, path: str) -> None:
    """As those of any action are: nothing was run."""
    answer = await entries.ask("PUT", path, {"text": ""})

    assert (answer.status, answer.type) == (422, "INVALID_INPUT")
    assert (steps.told, outcomes(entries)) == ([], {"INVALID_INPUT": 1})


async def test_bad_inputs_of_a_get_are_counted(entries: Stage) -> None:
    """The same where there is no body."""
    answer = await entries.get("/api/entry/x")

    assert (answer.status, outcomes(entries, "entry:view")) == (422, {"INVALID_INPUT": 1})


async def test_a_get_with_a_body_throws_it_away(entries: Stage) -> None:
    """And the connection goes on behind it."""
    async with entries.connect() as connection:
        first = await connection.request("GET", "/api/entry/7", body=b"whatever")
        second = await connection.get("/api/entry/8")

    assert (first.status, second.body) == (200, b'{"number":8,"text":"seen","loud":false}')


@pytest.mark.parametrize(
    ("header", "status"),
    [("If-Match: x", 400), ("X-Request-Timeout: soon", 400), ("Expect: wonders", 417)],
)
async def test_what_headers_ask_for_is_not_passed_over(entries: Stage, steps: Steps, header: str, status: int) -> None:
    """They are read before the call as they are before any other."""
    name, _, value = header.partition(": ")
    async with entries.connect() as connection:
        headers = {"Content-Type": "application/json", name: value}
        answer = await connection.request("PUT", "/api/entry/7", headers, b'{"text":"a"}')

    assert (answer.status, steps.told) == (status, [])


async def test_a_repeat_under_a_key_is_not_run_again(entries: Stage, steps: Steps) -> None:
    """A key makes it a call like any other."""
    async with entries.connect() as connection:
        headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
        answers = [await connection.request("PUT", "/api/entry/7", headers, b'{"text":"a"}') for _ in range(2)]

    assert [(answer.status, answer.header("idempotent-replayed")) for answer in answers] == [(200, None), (200, "true")]
    assert steps.told == ["kept ok"]


async def test_over_a_socket_its_end_is_awaited(entries: Stage, steps: Steps) -> None:
    """The same call, the same end."""
    async with entries.talker() as talker:
        good = await talker.ask(action="entry:put", params={"number": 7, "text": "a"})
        gone = await talker.refusal(action="entry:put", params={"number": 7, "text": "nobody"})
        bad = await talker.refusal(action="entry:put", params={"number": 7, "text": ""})

    assert good["result"] == {"number": 7, "text": "a", "loud": False}
    assert (gone, bad, steps.told) == ("NOT_FOUND", "INVALID_INPUT", ["kept ok", "kept NotFound"])
    assert outcomes(entries, transport="websocket") == {"OK": 1, "NOT_FOUND": 1, "INVALID_INPUT": 1}
