"""Streamed answers through real ASGI servers: as they come, closed in every case, cut when they break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from antiphon.testing.raw import BrokenAnswer
from antiphon.testing.waiting import wait_until
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, StreamResponse
from tests.wire.stage import Signal, Stage, text

EVENTS = [(b"content-type", b"text/event-stream")]


class Producer:
    """Something that streams, and keeps how far it came and how it ended."""

    def __init__(self, make: Callable[[Producer], AsyncIterator[bytes]]) -> None:
        self._make = make
        self.begun = False
        self.produced = 0
        self.ended: list[type[BaseException] | None] = []
        self.go_on = Signal()

    def __call__(self, request: Request) -> Answer:
        return StreamResponse(200, EVENTS, self.run())

    async def run(self) -> AsyncIterator[bytes]:
        self.begun = True
        try:
            async for chunk in self._make(self):
                self.produced += 1
                yield chunk
        except BaseException as end:
            self.ended.append(type(end))
            raise
        else:
            self.ended.append(None)


async def _three(of: Producer) -> AsyncIterator[bytes]:
    for chunk in (b"one", b"two", b"three"):
        yield chunk


async def _one_then_waits(of: Producer) -> AsyncIterator[bytes]:
    yield b"one"
    await of.go_on.wait()
    yield b"two"


async def _one_then_forever(of: Producer) -> AsyncIterator[bytes]:
    yield b"one"
    await asyncio.Event().wait()


async def _without_waiting(of: Producer) -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 10


async def _nineteen_megabytes(of: Producer) -> AsyncIterator[bytes]:
    for _ in range(300):
        yield b"x" * 64_000


async def _one_then_fails(of: Producer) -> AsyncIterator[bytes]:
    yield b"one"
    raise ConnectionResetError("the password is hunter2")


GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


async def test_a_stream_arrives_whole_and_leaves_the_connection_usable(stage: Stage) -> None:
    """A stream has no length, ends properly, and is followed by the next answer on the same connection."""
    stage.respond = three = Producer(_three)

    async with stage.connect() as client:
        answer = await client.get("/")
        stage.respond = lambda _: text("next")
        following = await client.get("/")

    assert (answer.body, answer.header("content-length")) == (b"onetwothree", None)
    assert answer.header("content-type") == "text/event-stream"
    assert (three.ended, following.body) == ([None], b"next")


async def test_a_chunk_is_sent_before_the_next_is_made(stage: Stage) -> None:
    """The head and each chunk leave at once; nothing is held back until more comes."""
    stage.respond = waits = Producer(_one_then_waits)

    async with stage.connect() as client:
        await client.send(GET)
        head = await client.head()
        first = await client.chunk()
        made_by_then = waits.produced
        waits.go_on.give()
        rest = [await client.chunk(), await client.chunk()]

    assert (head.status, first, made_by_then, rest) == (200, b"one", 1, [b"two", b""])


async def test_any_iterator_can_be_streamed(stage: Stage) -> None:
    """Chunks may come from an iterator that is no generator and has nothing to close."""

    class Countdown:
        left = 3

        def __aiter__(self) -> Countdown:
            return self

        async def __anext__(self) -> bytes:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return b"%d" % self.left

    stage.respond = lambda _: StreamResponse(200, EVENTS, Countdown())

    async with stage.connect() as client:
        answer = await client.get("/")

    assert answer.body == b"210"


async def test_a_stream_is_not_run_for_head(stage: Stage) -> None:
    """HEAD has the headers of the stream; its iterator is closed without having begun."""
    stage.respond = three = Producer(_three)

    async with stage.connect() as client:
        head = await client.request("HEAD", "/")
        stage.respond = lambda _: text("next")
        following = await client.get("/")

    assert (head.status, head.header("content-type"), following.body) == (200, "text/event-stream", b"next")
    assert not three.begun


@pytest.mark.parametrize("how", ["reset", "close", "finish_sending"])
async def test_a_client_that_leaves_ends_the_stream(stage: Stage, how: str) -> None:
    """However the client goes, the producer is cancelled where it waits, and its own clean-up runs."""
    stage.respond = forever = Producer(_one_then_forever)

    async with stage.connect() as client:
        await client.send(GET)
        await client.head()
        first = await client.chunk()
        if how == "close":
            await client.close()
        else:
            getattr(client, how)()
        await wait_until(lambda: forever.ended, "the stream was never ended")

    assert (first, forever.ended) == (b"one", [asyncio.CancelledError])


async def test_a_producer_that_never_waits_is_ended_too(stage: Stage) -> None:
    """A stream that has always something to send lets others have their turn, and ends when its client leaves."""
    stage.respond = endless = Producer(_without_waiting)

    async with stage.connect() as client:
        await client.send(GET)
        await client.head()
        await client.chunk()
        client.reset()
    await wait_until(lambda: endless.ended, "the stream was never ended")

    assert endless.ended[0] in (asyncio.CancelledError, GeneratorExit)


async def test_a_producer_that_ignores_its_cancellation_is_closed(stage: Stage) -> None:
    """A producer that goes on after its client has left is not asked for more."""

    async def stubborn(of: Producer) -> AsyncIterator[bytes]:
        yield b"one"
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield b"two"
        yield b"three"

    stage.respond = ignores = Producer(stubborn)

    async with stage.connect() as client:
        await client.send(GET)
        await client.head()
        await client.chunk()
        client.reset()
    await wait_until(lambda: ignores.ended, "the stream was never ended")

    assert (ignores.produced, ignores.ended) == (2, [GeneratorExit])


async def test_a_slow_reader_holds_back_only_its_own_stream(stage: Stage) -> None:
    """Chunks that nobody takes are not made; other clients are answered meanwhile, and nothing is lost."""
    stage.respond = large = Producer(_nineteen_megabytes)

    async with stage.connect(receive_bytes=16_384) as slow, stage.connect() as other:
        await slow.send(GET)
        await slow.head()
        stage.respond = lambda _: text("quick")
        for _ in range(50):
            assert (await other.get("/")).body == b"quick"
        held_at = large.produced
        total = 0
        while chunk := await slow.chunk():
            total += len(chunk)

    assert held_at < 300
    assert (total, large.ended) == (19_200_000, [None])


async def test_a_stream_that_breaks_ends_cut(stage: Stage) -> None:
    """A producer's failure is reported and not sent; the answer lacks its end, so that nobody takes it for whole."""
    stage.respond = fails = Producer(_one_then_fails)

    async with stage.connect() as client:
        await client.send(GET)
        await client.head()
        first = await client.chunk()
        after = await client.rest()

    assert (first, after) == (b"one", b"")
    assert [str(defect) for defect in stage.claim()] == ["the password is hunter2"]
    assert fails.ended == [ConnectionResetError]


async def test_the_servers_log_does_not_learn_why_a_stream_broke(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """What the server is told of a broken stream carries nothing of its cause, whose text may be a secret."""
    stage.respond = Producer(_one_then_fails)

    async with stage.connect() as client:
        with pytest.raises(BrokenAnswer):
            await client.get("/")
    await wait_until(lambda: caplog.records, "the server never logged anything")
    stage.claim()

    assert "broke off" in caplog.text
    assert "hunter2" not in caplog.text


async def test_a_stream_that_fails_in_its_clean_up_is_reported(stage: Stage) -> None:
    """A failure after the client has left reaches nobody but the report."""

    async def fails_at_the_end(of: Producer) -> AsyncIterator[bytes]:
        yield b"one"
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("while cleaning up")

    stage.respond = Producer(fails_at_the_end)

    async with stage.connect() as client:
        await client.send(GET)
        await client.head()
        await client.chunk()
        client.reset()
    await wait_until(lambda: stage.reported, "the failure was never reported")

    assert [str(defect) for defect in stage.claim()] == ["while cleaning up"]


async def test_a_stream_behind_an_unread_body_closes(stage: Stage) -> None:
    """A stream that answers before the body was read ends the connection after itself."""
    stage.respond = Producer(_three)

    async with stage.connect() as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % len(GET) + GET)
        answer = await client.answer()
        after = await client.rest()

    assert (answer.body, answer.header("connection"), after) == (b"onetwothree", "close", b"")


async def test_a_stream_whose_body_was_read_keeps_the_connection(stage: Stage) -> None:
    """A stream may read its request first, and the next request is answered after it."""

    async def respond(request: Request) -> Answer:
        body = await request.body(10)

        async def twice() -> AsyncIterator[bytes]:
            yield body
            yield body

        return StreamResponse(200, EVENTS, twice())

    stage.respond = respond

    async with stage.connect() as client:
        answers = [await client.request("POST", "/", body=b"echo") for _ in range(2)]

    assert [answer.body for answer in answers] == [b"echoecho"] * 2
