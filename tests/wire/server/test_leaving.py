"""Clients that leave, wholly or by half, and what becomes of the calls, bodies, streams and files under way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.waiting import wait_until
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.response import Answer, FileResponse, StreamResponse
from tests.wire.server.stage import TEXT, Stage, pieces, text
from tests.wire.server.talking import SMUGGLED, talking

HEAD = b" HTTP/1.1\r\nHost: a\r\n"


def get(path: str) -> bytes:
    """A request."""
    return b"GET " + path.encode() + HEAD + b"\r\n"


class Story:
    """What happened to an answer under way."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()
        self.how = ""

    async def stream(self) -> AsyncIterator[bytes]:
        """One piece, then nothing more until it is cancelled."""
        try:
            yield b"first"
            self.begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.how = "cancelled"
            raise
        finally:
            self.ended.set()

    async def read(self, request: Request) -> Answer:
        """Read a body that never comes whole."""
        self.begun.set()
        try:
            return text(await request.body(1000))
        except ClientLeft:
            self.how = "left"
            raise
        finally:
            self.ended.set()

    async def watch(self, request: Request) -> Answer:
        """Wait for nothing but the client's leaving."""
        self.begun.set()
        await request.wait_until_left()
        self.how = "left"
        self.ended.set()
        return text("late")


@pytest.mark.parametrize("half", [False, True], ids=["reset", "half-close"])
async def test_a_body_that_breaks_off_is_told_to_its_reader(stage: Stage, half: bool) -> None:
    """As ClientLeft, whether the client is gone or only sends no more."""
    story = Story()
    stage.plays[b"/read"] = story.read
    async with talking(stage) as client:
        await client.segments([b"POST /read" + HEAD + b"Content-Length: 10\r\n\r\nabc"])
        await story.begun.wait()
        if half:
            client.direct.shutdown(socket.SHUT_WR)
        else:
            client.reset()
        await wait_until(story.ended.is_set, "the reader never heard of it")
        if half:
            assert await client.rest() == b""

    assert story.how == "left"


@pytest.mark.parametrize("half", [False, True], ids=["reset", "half-close"])
async def test_a_call_can_wait_for_its_client_to_leave(stage: Stage, half: bool) -> None:
    """And is told at once."""
    story = Story()
    stage.plays[b"/watch"] = story.watch
    async with talking(stage) as client:
        await client.segments([get("/watch")])
        await story.begun.wait()
        if half:
            client.direct.shutdown(socket.SHUT_WR)
        else:
            client.reset()
        await wait_until(story.ended.is_set, "the call was never told")

    assert story.how == "left"


async def test_what_was_asked_before_a_half_close_is_answered(stage: Stage) -> None:
    """Each request of the pipeline, in its order; then the connection ends."""

    async def first(request: Request) -> Answer:
        await request.wait_until_left()
        return text("first")

    async def second(request: Request) -> Answer:
        await asyncio.sleep(0)
        return text("second")

    stage.plays |= {b"/1": first, b"/2": second}
    async with talking(stage) as client:
        await client.segments([get("/1") + get("/2") + get("/") + get("/")[:9]])
        await wait_until(lambda: stage.paths == [b"/1"], "the first request never came")
        client.direct.shutdown(socket.SHUT_WR)
        answers = [await client.answer() for _ in range(3)]
        assert await client.rest() == b""

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert stage.paths == [b"/1", b"/2", b"/"]


async def test_a_body_that_a_half_close_cuts_off_behind_others_is_told(stage: Stage) -> None:
    """Its reader hears of it as if it had been the only one."""
    story = Story()

    async def first(request: Request) -> Answer:
        await request.wait_until_left()
        return text("first")

    stage.plays |= {b"/1": first, b"/read": story.read}
    async with talking(stage) as client:
        await client.segments([get("/1") + b"POST /read" + HEAD + b"Content-Length: 10\r\n\r\nabc"])
        await wait_until(lambda: stage.paths == [b"/1"], "the first request never came")
        client.direct.shutdown(socket.SHUT_WR)
        await wait_until(story.ended.is_set, "the reader never heard of it")

    assert story.how == "left"


async def test_whoever_waits_for_a_leaving_is_let_go_with_the_answer(stage: Stage) -> None:
    """The watcher is cancelled when the answer is out and the client stays."""
    watchers: list[asyncio.Task[None]] = []

    async def answer(request: Request) -> Answer:
        watchers.append(asyncio.ensure_future(request.wait_until_left()))
        await asyncio.sleep(0)
        return text("done")

    stage.plays[b"/answer"] = answer
    async with talking(stage) as client:
        await client.segments([get("/answer")])
        assert (await client.answer()).status == 200
        await wait_until(watchers[0].done, "the watcher was never let go")

    assert watchers[0].cancelled()


async def test_a_body_is_dropped_for_whoever_waits_for_the_leaving(stage: Stage) -> None:
    """It holds nobody back and is no next request."""
    story = Story()
    stage.plays[b"/watch"] = story.watch
    async with talking(stage) as client:
        await client.segments([b"GET /watch" + HEAD + b"Content-Length: 1000000\r\n\r\n", *[b"a" * 10_000] * 100])
        client.direct.shutdown(socket.SHUT_WR)
        await wait_until(story.ended.is_set, "the call was never told")

    assert stage.paths == [b"/watch"]


@pytest.mark.parametrize("half", [False, True], ids=["reset", "half-close"])
async def test_a_stream_ends_with_its_client(stage: Stage, half: bool) -> None:
    """It is cancelled where it waits and closed, also when only the client's half of the connection was closed."""
    story = Story()
    stage.plays[b"/stream"] = lambda _: StreamResponse(200, TEXT, story.stream())
    async with talking(stage) as client:
        await client.segments([get("/stream")])
        await story.begun.wait()
        if half:
            client.direct.shutdown(socket.SHUT_WR)
        else:
            client.reset()
        await wait_until(story.ended.is_set, "the stream was never closed")

    assert story.how == "cancelled"


async def test_a_stream_that_never_waits_ends_with_its_client(stage: Stage) -> None:
    """Its client's leaving reaches it all the same."""
    ended = asyncio.Event()

    async def busy() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x"
        finally:
            ended.set()

    stage.plays[b"/busy"] = lambda _: StreamResponse(200, TEXT, busy())
    async with talking(stage) as client:
        await client.segments([get("/busy")])
        await client.head()
        client.reset()
        await wait_until(ended.is_set, "the stream was never closed")


async def test_a_file_ends_with_its_client(stage: Stage, tmp_path: Path) -> None:
    """It is closed, and whoever waits for it is told so once."""
    (tmp_path / "large").write_bytes(bytes(20_000_000))
    sent: list[bool] = []
    stage.plays[b"/file"] = lambda _: FileResponse(
        200, TEXT, tmp_path / "large", 0, 20_000_000, on_sent=lambda: sent.append(True)
    )
    async with talking(stage, buffer_bytes=8192) as client:
        await client.segments([get("/file")])
        await client.head()
        client.reset()
        await wait_until(lambda: sent, "the file was never closed")

    assert sent == [True]


async def test_a_call_runs_to_its_end_without_its_client(stage: Stage) -> None:
    """It is not cancelled; its answer goes nowhere."""
    done = asyncio.Event()

    async def call(request: Request) -> Answer:
        await stage.gate.wait()
        done.set()
        return text("done")

    stage.plays[b"/call"] = call
    async with talking(stage) as client:
        await client.segments([get("/call")])
        client.reset()
        await wait_until(lambda: not len(stage.listener), "the leaving was never noticed")
        assert not done.is_set()
        stage.gate.set()
        await wait_until(done.is_set, "the call did not run to its end")


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
@pytest.mark.parametrize("path", ["/now", "/later", "/gate"])
async def test_a_client_that_closes_its_half_gets_its_answer(stage: Stage, path: str) -> None:
    """Whoever sends a request and then no more still reads the answer; then the connection ends."""
    async with talking(stage) as client:
        await client.segments([get(path)])
        client.direct.shutdown(socket.SHUT_WR)
        stage.gate.set()
        answers = await client.answers()

    assert [(answer.status, answer.body) for answer in answers] == [(200, path.encode())]


async def test_a_body_and_then_no_more_is_answered(stage: Stage) -> None:
    """The end of the client's half right behind a body."""
    async with talking(stage) as client:
        await client.segments([b"POST /body" + HEAD + b"Content-Length: 5\r\n\r\nabcde"])
        client.direct.shutdown(socket.SHUT_WR)
        answers = await client.answers()

    assert [answer.body for answer in answers] == [b"abcde"]


@pytest.mark.parametrize("part", [b"GET / HT", b"GET /\r\n\r"], ids=["head", "no-head"])
async def test_half_a_head_and_then_no_more_is_closed(stage: Stage, part: bytes) -> None:
    """There is nothing to answer, or it was told already."""
    async with talking(stage) as client:
        await client.segments([part])
        client.direct.shutdown(socket.SHUT_WR)
        answers = await client.answers()

    assert [answer.status for answer in answers] in ([], [400])
    assert stage.asked == []


async def test_a_stream_that_breaks_is_cut_and_nothing_behind_it_is_asked(stage: Stage) -> None:
    """Its client can tell that it is not whole, and what it sent behind the request is not answered by then."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"first"
        raise LookupError("broken")

    stage.plays[b"/broken"] = lambda _: StreamResponse(200, TEXT, broken())
    async with talking(stage) as client:
        await client.segments([get("/broken") + SMUGGLED])
        await wait_until(lambda: not len(stage.listener), "the connection was never cut")

    assert [str(defect) for defect in stage.claim()] == ["broken"]
    assert stage.paths == [b"/broken"]


async def test_a_waiting_stream_that_breaks_is_cut_and_nothing_behind_it_is_asked(stage: Stage) -> None:
    """The same when it breaks after others had their turn."""

    async def broken() -> AsyncIterator[bytes]:
        async for piece in pieces(3):
            yield piece
        raise LookupError("broken")

    stage.plays[b"/broken"] = lambda _: StreamResponse(200, TEXT, broken())
    async with talking(stage) as client:
        await client.segments([get("/broken") + SMUGGLED])
        data = await client.rest()
        await wait_until(lambda: not len(stage.listener), "the connection was never cut")

    assert b"\r\n0\r\n\r\n" not in data
    assert len(stage.claim()) == 1
    assert stage.paths == [b"/broken"]
