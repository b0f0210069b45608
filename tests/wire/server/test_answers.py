"""How answers leave: their framing, their dates, the way the connection goes on, and invitations to send a body."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

import pytest

from antiphon.testing.waiting import wait_until
from antiphon.wire.faults import not_signed_in
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, FileResponse, Headers, Response, StreamResponse
from tests.wire.server.stage import TEXT, Stage, pieces, text, told
from tests.wire.server.talking import SMUGGLED, bytewise, talking

EXPECTING = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"


def ask(path: str, method: str = "GET", fields: bytes = b"", version: str = "1.1") -> bytes:
    """A request."""
    return f"{method} {path} HTTP/{version}\r\nHost: a\r\n".encode() + fields + b"\r\n"


# Framing


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
@pytest.mark.parametrize("kind", ["plain", "stream", "file"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [200, 204, 304, 404, 599])
async def test_every_kind_of_answer_is_framed(
    stage: Stage, tmp_path: Path, kind: str, method: str, status: int
) -> None:
    """HEAD, 204 and 304 have no body, the others a whole one, and the next answer is where it belongs."""
    (tmp_path / "file").write_bytes(b"content")
    body = b"content" if kind != "stream" else b"0000" + b"0001"

    def answer(_: Request) -> Answer:
        match kind:
            case "plain":
                return Response(status, TEXT, b"" if status in (204, 304) else body)
            case "stream":
                return StreamResponse(status, TEXT, pieces(2))
            case _:
                return FileResponse(status, TEXT, tmp_path / "file", 0, 7)

    stage.plays[b"/kind"] = answer
    async with talking(stage) as client:
        await client.segments([ask("/kind", method) + ask("/next")])
        first, second = await client.answer(method), await client.answer()

    silent = method == "HEAD" or status in (204, 304)
    assert (first.status, first.body) == (status, b"" if silent else body)
    assert second.body == b"/next"
    if status in (204, 304):
        assert first.header("content-length") is first.header("transfer-encoding") is None


async def test_a_stream_over_http_1_0_ends_with_the_connection(stage: Stage) -> None:
    """Without chunks, and without the keep-alive that was asked for."""
    async with talking(stage) as client:
        await client.segments([ask("/stream", fields=b"Connection: keep-alive\r\n", version="1.0") + SMUGGLED])
        answers = await client.answers()

    assert [(answer.header("connection"), answer.body) for answer in answers] == [("close", b"000000010002")]
    assert answers[0].header("transfer-encoding") is None
    assert stage.paths == [b"/stream"]


async def test_answers_of_all_kinds_keep_the_order_of_their_requests(stage: Stage, tmp_path: Path) -> None:
    """Slow, fast, streamed and from a file, all asked for at once."""
    (tmp_path / "file").write_bytes(b"file")
    stage.plays[b"/file"] = lambda _: FileResponse(200, TEXT, tmp_path / "file", 0, 4)
    paths = ["/later", "/now", "/stream", "/file", "/now", "/later", "/stream", "/stream", "/file", "/later"]
    async with talking(stage) as client:
        await client.segments([b"".join(map(ask, paths))])
        bodies = [(await client.answer()).body for _ in paths]

    kinds = {"/stream": b"000000010002", "/file": b"file"}
    assert bodies == [kinds.get(path, path.encode()) for path in paths]


async def test_a_file_that_came_up_short_is_cut(stage: Stage, tmp_path: Path) -> None:
    """Before its first piece it is a defect that can be answered; the length that was promised is never broken."""
    (tmp_path / "file").write_bytes(b"short")
    stage.plays[b"/file"] = lambda _: FileResponse(200, TEXT, tmp_path / "file", 0, 100)
    async with talking(stage) as client:
        await client.segments([ask("/file")])
        answer = await client.answer()

    assert answer.status == 500
    assert len(stage.claim()) == 1


@pytest.mark.parametrize("kind", ["plain", "stream"])
@pytest.mark.parametrize("value", [b"a\r\nSet-Cookie: b", b"a\nb", b"a\rb", b"a\0b"])
async def test_a_header_that_would_be_more_than_one_is_a_defect(stage: Stage, kind: str, value: bytes) -> None:
    """Nothing of it leaves; the connection goes on."""
    headers: Headers = [(b"location", value)]

    def answer(_: Request) -> Answer:
        return Response(200, headers, b"") if kind == "plain" else StreamResponse(200, headers, pieces(1))

    stage.plays[b"/inject"] = answer
    async with talking(stage) as client:
        await client.segments([ask("/inject") + ask("/next")])
        first, second = await client.answer(), await client.answer()

    assert (first.status, second.body) == (500, b"/next")
    assert first.header("location") is first.header("set-cookie") is None
    assert len(stage.claim()) == 1


@pytest.mark.parametrize("waits", [False, True])
async def test_what_raises_is_a_defect_that_tells_nothing(stage: Stage, waits: bool) -> None:
    """The cause is reported and not answered, and the next request is."""

    async def raising(_: Request) -> Answer:
        await asyncio.sleep(0)
        raise LookupError("secret")

    def raising_at_once(_: Request) -> Answer:
        raise LookupError("secret")

    stage.plays[b"/raise"] = raising if waits else raising_at_once
    async with talking(stage) as client:
        await client.segments([ask("/raise") + ask("/next")])
        first, second = await client.answer(), await client.answer()

    assert (first.status, second.status) == (500, 200)
    assert b"secret" not in first.body
    assert [str(defect) for defect in stage.claim()] == ["secret"]


async def test_every_answer_is_dated_right_and_the_date_is_renewed(stage: Stage) -> None:
    """Within a second of the clock, also once the second has changed."""
    async with talking(stage) as client:
        dates: set[str] = set()

        async def renewed() -> bool:
            before = time()
            await client.segments([ask("/")])
            date = (await client.answer()).header("date") or ""
            assert before - 1.1 <= parsedate_to_datetime(date).timestamp() <= time()
            dates.add(date)
            return len(dates) > 2

        await wait_until(renewed, "the date was never renewed")


# The invitation to send a body


@pytest.mark.parametrize("in_one", [True, False])
async def test_a_body_is_invited_when_it_is_asked_for(stage: Stage, in_one: bool) -> None:
    """Once, before the answer; and the connection goes on."""
    async with talking(stage) as client:
        await client.segments([EXPECTING] if in_one else bytewise(EXPECTING))
        interim = await client.answer()
        await client.segments([b"abcde" + ask("/next")])
        answer, following = await client.answer(), await client.answer()

    assert (interim.status, answer.body, following.body) == (100, b"abcde", b"/next")


async def test_the_invitation_stands_behind_earlier_answers(stage: Stage) -> None:
    """It belongs to its own request."""
    async with talking(stage) as client:
        await client.segments([ask("/first") + EXPECTING])
        first, interim = await client.answer(), await client.answer()
        await client.segments([b"abcde"])
        answer = await client.answer()

    assert (first.body, interim.status, answer.body) == (b"/first", 100, b"abcde")


async def test_a_refused_client_is_not_invited(stage: Stage) -> None:
    """It uploads nothing, and the connection ends, because what follows might be the body or not."""
    stage.plays[b"/body"] = lambda _: told(not_signed_in())
    async with talking(stage) as client:
        await client.segments([EXPECTING])
        answers = await client.answers()

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(401, "close")]


async def test_a_body_that_is_too_large_is_not_invited(stage: Stage) -> None:
    """Its length says so before any of it is sent."""
    stage.most_bytes = 4
    async with talking(stage) as client:
        await client.segments([EXPECTING])
        answers = await client.answers()

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(413, "close")]


@pytest.mark.parametrize("data", [EXPECTING + b"abcde", EXPECTING.replace(b"1.1", b"1.0")], ids=["there", "1.0"])
async def test_who_does_not_wait_is_not_invited(stage: Stage, data: bytes) -> None:
    """A body that is there already, and HTTP/1.0, which knows no interim answers."""
    async with talking(stage) as client:
        await client.segments([data])
        if b"1.0" in data:
            await client.segments([b"abcde"])
        answer = await client.answer()

    assert (answer.status, answer.body) == (200, b"abcde")


async def test_nobody_is_invited_in_the_middle_of_an_answer(stage: Stage) -> None:
    """A stream that reads the body while it is sent would otherwise hold a second head within its chunks."""

    async def echo(request: Request) -> AsyncIterator[bytes]:
        yield b"begun,"
        async for piece in request.chunks(100):
            yield piece

    stage.plays[b"/body"] = lambda request: StreamResponse(200, TEXT, echo(request))
    async with talking(stage) as client:
        await client.segments([EXPECTING])
        head = await client.head()
        assert await client.chunk() == b"begun,"
        await client.segments([b"abcde"])
        assert await client.chunk() == b"abcde"
        assert await client.chunk() == b""

    assert head.status == 200


async def test_an_answer_may_ask_for_another_protocol_and_keep_the_connection(stage: Stage) -> None:
    """`Connection: upgrade` in an answer is no end of the connection."""
    stage.plays[b"/upgrade"] = lambda _: Response(426, [(b"upgrade", b"x"), (b"connection", b"upgrade")])
    async with talking(stage) as client:
        await client.segments([ask("/upgrade") + ask("/next")])
        first, second = await client.answer(), await client.answer()

    assert (first.status, second.body) == (426, b"/next")


async def test_an_answer_that_closes_is_the_last(stage: Stage) -> None:
    """Whatever stands behind the request, in one read or another."""
    stage.plays[b"/last"] = lambda _: Response(200, [*TEXT, (b"connection", b"close")])
    async with talking(stage) as client:
        await client.segments([ask("/first") + ask("/last") + SMUGGLED, SMUGGLED])
        answers = await client.answers()

    assert [answer.header("connection") for answer in answers] == [None, "close"]
    assert stage.paths == [b"/first", b"/last"]


@pytest.mark.parametrize("path", ["/body", "/chunks"])
async def test_a_body_of_unsaid_length_is_refused_as_soon_as_it_is_too_large(stage: Stage, path: str) -> None:
    """Without waiting for its end; the connection ends, and what comes after is no request."""
    stage.most_bytes = 9
    async with talking(stage) as client:
        await client.segments([ask(path, "POST", b"Transfer-Encoding: chunked\r\n"), b"5\r\nabcde\r\n", b"5\r\nfghij"])
        answer = await client.answer()
        await client.segments([b"\r\n0\r\n\r\n" + SMUGGLED])
        rest = await client.rest()

    assert (answer.status, answer.header("connection"), rest) == (413, "close", b"")
    assert stage.paths == [path.encode()]


async def test_a_body_is_read_once(stage: Stage) -> None:
    """A second reading would wait for what never comes: it is a defect, and is told."""

    async def twice(request: Request) -> Answer:
        await request.body(10)
        return text(await request.body(10))

    stage.plays[b"/twice"] = twice
    async with talking(stage) as client:
        await client.segments([b"POST /twice HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" + ask("/next")])
        first, second = await client.answer(), await client.answer()

    assert (first.status, second.status) == (500, 200)
    assert isinstance(stage.claim()[0], RuntimeError)
