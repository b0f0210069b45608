"""Who holds back whom: whatever one side does not take, the other does not go on sending, and order is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

from antiphon.testing.waiting import wait_until
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response, StreamResponse
from antiphon.wire.server.bounds import Bounds
from tests.wire.server.stage import TEXT, Stage, text
from tests.wire.server.talking import Talk, talking

SMALL = 8 * 1024
"""What the system is asked to hold for each direction; it doubles that, and takes some more on the way."""

HELD = 64 * 1024
SLACK = 256 * 1024
"""What may be in buffers of the system, and in one read of the server, beside what it holds."""


def get(path: str) -> bytes:
    """A small request."""
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def of(size: int) -> bytes:
    """A body of so many bytes."""
    return bytes(size)


async def push_all(client: Talk, data: bytes, most: int) -> int:
    """Send over and over as much as the server lets; how many bytes went out until it took no more."""
    sent, refused = 0, 0
    while sent < most and refused < 50:
        step = client.push(data[sent % len(data) :])
        sent += step
        refused = 0 if step else refused + 1
        await asyncio.sleep(0)
    return sent


async def test_requests_behind_an_answer_that_is_not_taken_keep_their_order() -> None:
    """Those that came in one read and those that came after it are answered as they were sent."""
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        stage.plays[b"/big"] = lambda request: Response(200, TEXT, of(16 * 1024) + request.query)
        await client.segments([b"".join(get(f"/big?{number}") for number in range(90))])
        await client.segments([get(f"/big?{number}") for number in range(90, 100)])
        bodies = [(await client.answer()).body for _ in range(100)]

    assert [int(body[16 * 1024 :]) for body in bodies] == list(range(100))


async def test_a_request_cut_in_two_behind_an_answer_that_is_not_taken_is_one_request() -> None:
    """Its first half is held while the client takes nothing; the second half belongs to it."""
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        stage.plays[b"/big"] = lambda _: Response(200, TEXT, of(64 * 1024))
        await client.segments([get("/big") * 70 + b"GET /la", b"st HTTP/1.1\r\nHost: a\r\n", b"\r\n"])
        answers = [await client.answer() for _ in range(71)]

    assert [answer.status for answer in answers] == [200] * 71
    assert stage.paths[-1] == b"/last"


async def test_who_takes_no_answer_gets_no_further_requests_answered() -> None:
    """Requests that come one by one are held like those of one read: what is written for a client is bounded."""
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        stage.plays[b"/big"] = lambda _: Response(200, TEXT, of(64 * 1024))
        await client.segments([get("/big")] * 200)
        asked = len(stage.asked)
        answers = [await client.answer() for _ in range(200)]

    assert asked < 20
    assert [answer.status for answer in answers] == [200] * 200


async def test_who_takes_no_answer_gets_no_further_calls_begun() -> None:
    """The same for answers that were waited for."""
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:

        async def later(_: Request) -> Answer:
            await asyncio.sleep(0)
            return Response(200, TEXT, of(256 * 1024))

        stage.plays[b"/later"] = later
        await client.segments([get("/later") * 30, *[get("/later")] * 30])
        asked = len(stage.asked)
        answers = [await client.answer() for _ in range(60)]

    assert asked < 10
    assert [answer.status for answer in answers] == [200] * 60


async def test_large_answers_of_one_read_are_not_all_made_at_once() -> None:
    """A read full of small requests for large answers takes no more memory than the first few of them."""
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        stage.plays[b"/big"] = lambda _: Response(200, TEXT, of(512 * 1024))
        await client.segments([get("/big") * 60])
        asked = len(stage.asked)
        answers = [await client.answer() for _ in range(60)]

    assert asked < 10
    assert [answer.status for answer in answers] == [200] * 60


async def test_a_flood_behind_a_call_is_held_back() -> None:
    """About 64 KiB of what stands behind a call is held, then the client has to wait."""
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        sent = await push_all(client, get("/gate"), 4_000_000)
        asked = len(stage.asked)
        client.reset()

    assert asked == 1
    assert HELD < sent < HELD + SLACK


async def test_a_flood_stays_held_back_while_calls_are_answered() -> None:
    """Each answer makes room for as much as its request took, not for another read."""
    # The system holds enough for reads as large as what may be held.
    async with Stage(buffer_bytes=HELD) as stage, talking(stage, buffer_bytes=HELD) as client:
        steps = asyncio.Semaphore(0)

        async def step(request: Request) -> Answer:
            await steps.acquire()
            return text(request.path)

        stage.plays[b"/step"] = step
        sent = await push_all(client, get("/step"), 4_000_000)
        for number in range(1, 60):
            steps.release()
            await wait_until(lambda number=number: len(stage.asked) > number, "the next call never came")
            sent += await push_all(client, get("/step")[sent % len(get("/step")) :], 4_000_000)
        client.reset()
        for _ in range(20_000):
            steps.release()

    assert sent < 1024 * 1024


async def test_a_body_that_nobody_reads_yet_is_held_back() -> None:
    """About 64 KiB of it is held for whoever has not asked for it; then it comes whole."""
    body = bytes(range(256)) * 4096
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:

        async def late(request: Request) -> Answer:
            await stage.gate.wait()
            return text(await request.body(len(body)))

        stage.plays[b"/late"] = late
        await client.segments([b"POST /late HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)])
        sent = await push_all(client, body, len(body))
        held = sent
        stage.gate.set()
        await client.send(body[sent:])
        answer = await client.answer()

    assert HELD < held < HELD + SLACK
    assert answer.body == body


async def test_a_body_read_in_pieces_is_held_back_by_a_slow_reader() -> None:
    """Whoever takes one piece holds the client back until it asks for the next."""
    body = bytes(range(256)) * 4096
    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        read: list[bytes] = []

        async def slow(request: Request) -> Answer:
            async for piece in request.chunks(len(body)):
                read.append(piece)
                await stage.gate.wait()
            return text(b"".join(read))

        stage.plays[b"/slow"] = slow
        await client.segments([b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)])
        sent = held = await push_all(client, body, len(body))
        stage.gate.set()
        await client.send(body[sent:])
        answer = await client.answer()

    assert HELD < held < HELD + SLACK
    assert answer.body == body


async def test_a_stream_waits_for_a_client_that_takes_nothing() -> None:
    """No piece is made for which there is no room; once the client reads, it gets all of them."""
    made = count()
    size, many = 1024, 3000

    async def produce() -> AsyncIterator[bytes]:
        for number in range(many):
            next(made)
            yield b"%0*d" % (size, number)

    async with Stage(buffer_bytes=SMALL) as stage, talking(stage, buffer_bytes=SMALL) as client:
        stage.plays[b"/stream"] = lambda _: StreamResponse(200, TEXT, produce())
        await client.segments([get("/stream"), *[b""] * 10])
        await wait_until(
            lambda: any(not connection.flow.is_empty for connection in stage.connections), "nothing waited"
        )
        for _ in range(200):
            await asyncio.sleep(0)
        before = next(made)
        answer = await client.answer()

    assert before * size < SLACK
    assert len(answer.body) == size * many


async def test_a_client_that_takes_nothing_is_given_up() -> None:
    """After so long without a byte taken the connection is gone, and the stream is closed."""
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield of(16 * 1024)
        finally:
            closed.set()

    async with (
        Stage(Bounds(stall_seconds=0.2), buffer_bytes=SMALL) as stage,
        talking(stage, buffer_bytes=SMALL) as client,
    ):
        stage.plays[b"/endless"] = lambda _: StreamResponse(200, TEXT, endless())
        await client.segments([get("/endless")])
        await wait_until(closed.is_set, "the stream was never closed")
        await wait_until(lambda: not len(stage.listener), "the connection was never given up")


async def test_a_client_that_takes_a_little_now_and_then_is_not_given_up() -> None:
    """It is slow, and it is there: only one that takes nothing at all is gone."""
    async with (
        Stage(Bounds(stall_seconds=0.4), buffer_bytes=SMALL) as stage,
        talking(stage, buffer_bytes=SMALL) as client,
    ):
        loop = asyncio.get_running_loop()
        stage.plays[b"/big"] = lambda _: Response(200, TEXT, of(1_000_000))
        await client.segments([get("/big")])
        await client.head()
        began, taken = loop.time(), 0
        while loop.time() - began < 1.0:
            taken += len(await client.some(8 * 1024))
            paused = loop.create_future()
            loop.call_later(0.02, paused.set_result, None)
            await paused
        taken += len(await client.some(1_000_000 - taken))

    assert taken == 1_000_000


async def test_the_end_of_the_connection_waits_for_what_was_not_read() -> None:
    """A client that has sent more than is answered gets the last answer whole: it is not cut by a reset."""
    # The system takes the whole answer at once, the client only little of it, and the connection is closed meanwhile.
    async with Stage() as stage, talking(stage, buffer_bytes=SMALL) as client:

        async def last(_: Request) -> Answer:
            await stage.gate.wait()
            return Response(200, [*TEXT, (b"connection", b"close")], of(300_000))

        stage.plays[b"/last"] = last
        await client.segments([get("/last")])
        await push_all(client, get("/next"), 4_000_000)
        stage.gate.set()
        answer = await client.answer()

    assert (answer.status, len(answer.body)) == (200, 300_000)
    assert stage.paths == [b"/last"]
