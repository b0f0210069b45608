"""What takes too long: heads, bodies, idle connections, and what still comes after the end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from antiphon.testing.waiting import wait_until
from antiphon.wire.faults import not_signed_in
from antiphon.wire.head import HeadBounds
from antiphon.wire.server.bounds import Bounds
from tests.wire.server.stage import Stage, text, told
from tests.wire.server.talking import SMUGGLED, Talk, talking

SHORT = 0.2
LONG = 30.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"


def bounds(
    *,
    head: float = LONG,
    idle: float = LONG,
    rate_after: float = LONG,
    linger: float = LONG,
    linger_bytes: int = 1 << 20,
) -> Bounds:
    """Long ones, but for those that the test is about."""
    return Bounds(
        head=HeadBounds(),
        head_seconds=head,
        idle_seconds=idle,
        rate_after_seconds=rate_after,
        stall_seconds=LONG,
        linger_seconds=linger,
        linger_bytes=linger_bytes,
    )


async def trickle(client: Talk, data: bytes, every: float = 0.02) -> None:
    """Send a byte now and then."""
    loop = asyncio.get_running_loop()
    for at in range(len(data)):
        await client.segments([data[at : at + 1]])
        passed = loop.create_future()
        loop.call_later(every, passed.set_result, None)
        await passed


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_who_sends_nothing_is_closed_without_a_word() -> None:
    """A connection on which nothing ever came is given the time of a head."""
    async with Stage(bounds(head=SHORT)) as stage, talking(stage) as client:
        assert await client.rest() == b""


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\n", GET[:-1]], ids=["byte", "line", "all-but-one"])
async def test_half_a_head_is_told_and_closed(part: bytes) -> None:
    """It is 408, the connection ends, and what comes after that is no request."""
    async with Stage(bounds(head=SHORT)) as stage, talking(stage) as client:
        await client.segments([part])
        answer = await client.answer()
        await client.segments([GET[len(part) :], SMUGGLED])
        rest = await client.rest()

    assert (answer.status, answer.header("connection"), rest) == (408, "close", b"")
    assert stage.asked == []


async def test_half_a_second_head_is_told_too() -> None:
    """The time of a head begins with its first byte, also behind an answered request."""
    async with Stage(bounds(head=SHORT)) as stage, talking(stage) as client:
        await client.segments([GET + b"GET /sec"])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200, 408]


async def test_half_a_head_behind_answers_that_are_not_taken_is_told() -> None:
    """Its time begins once the answers were taken: nobody could be told before."""
    stage = Stage(bounds(head=SHORT), buffer_bytes=8192)
    async with stage, talking(stage, buffer_bytes=8192) as client:
        stage.plays[b"/some"] = lambda _: text(bytes(15_000))
        await client.segments([GET.replace(b"/", b"/some", 1) * 60 + b"GET /ha"])
        assert not stage.connections[0].flow.is_empty
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200] * 60 + [408]


async def test_a_head_that_trickles_in_has_no_more_time_than_another() -> None:
    """A byte now and then does not keep it alive."""
    async with Stage(bounds(head=SHORT)) as stage, talking(stage) as client:
        trickling = asyncio.create_task(trickle(client, b"GET / HTTP/1.1\r\nX: " + b"a" * 10_000))
        answer = await client.answer()
        trickling.cancel()

    assert answer.status == 408


async def test_line_ends_do_not_keep_a_connection() -> None:
    """They are no head, so the connection is closed like one on which nothing came: without a word."""
    async with Stage(bounds(head=SHORT)) as stage, talking(stage) as client:
        trickling = asyncio.create_task(trickle(client, b"\r\n" * 10_000))
        # A line end that arrives just after the close is answered by a reset.
        with suppress(ConnectionResetError):
            assert await client.rest() == b""
        trickling.cancel()


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    """Between two requests nobody is told anything."""
    async with Stage(bounds(idle=SHORT)) as stage, talking(stage) as client:
        await client.segments([GET])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200]


async def test_half_a_line_end_on_an_idle_connection_is_no_head() -> None:
    """A lone CR, or one whose LF came later, is nothing to be told about."""
    async with Stage(bounds(head=SHORT, idle=3 * SHORT)) as stage, talking(stage) as client:
        await client.segments([GET, b"\r", b"\n", b"\r"])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200]


async def test_a_call_that_waits_is_no_idle_connection() -> None:
    """However long it takes, and whatever the bounds of heads and idleness are."""
    async with Stage(bounds(head=SHORT / 2, idle=SHORT / 2)) as stage, talking(stage) as client:
        await client.segments([b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n"])
        asyncio.get_running_loop().call_later(SHORT * 2, stage.gate.set)
        answer = await client.answer()

    assert answer.status == 200


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
@pytest.mark.parametrize("path", [b"/body", b"/chunks"])
async def test_a_body_that_stops_is_told_and_closed(path: bytes) -> None:
    """Whoever reads it is told 408, and the connection ends."""
    async with Stage(bounds(rate_after=SHORT)) as stage, talking(stage) as client:
        await client.segments([POST.replace(b"/body", path) + b"a"])
        answers = await client.answers()

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(408, "close")]


async def test_a_body_that_never_begins_is_told_and_closed() -> None:
    """Also when it was asked for with 100 Continue."""
    async with Stage(bounds(rate_after=SHORT)) as stage, talking(stage) as client:
        await client.segments([POST[:-2] + b"Expect: 100-continue\r\n\r\n"])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [100, 408]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"], ids=["length", "chunks"]
)
async def test_a_body_that_trickles_is_told_and_closed(framing: bytes) -> None:
    """Less than the slowest rate is too slow, however steadily it comes."""
    async with Stage(bounds(rate_after=SHORT)) as stage, talking(stage) as client:
        await client.segments([b"POST /body HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n"])
        body = b"a" * 10_000 if b"Length" in framing else b"1\r\na\r\n" * 2000
        trickling = asyncio.create_task(trickle(client, body))
        answers = await client.answers()
        trickling.cancel()

    assert [answer.status for answer in answers] == [408]


async def test_a_body_that_comes_fast_enough_is_read() -> None:
    """The rate is looked at only after its time."""
    async with Stage(bounds(rate_after=SHORT)) as stage, talking(stage) as client:
        await client.segments([POST.replace(b"100", b"40")])
        await client.segments([b"a" * 10] * 4)
        answer = await client.answer()

    assert answer.status == 200


# What still comes after a refusal


async def test_a_refused_upload_gets_its_answer_whole() -> None:
    """A client that goes on sending after it was refused reads why; no reset overtakes the answer."""
    async with Stage(bounds(linger=LONG)) as stage, talking(stage) as client:
        stage.plays[b"/body"] = lambda _: told(not_signed_in())
        await client.segments([POST.replace(b"100", b"1000000"), *[b"a" * 10_000] * 50])
        answers = await client.answers()

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(401, "close")]


async def test_who_goes_on_for_too_long_is_cut() -> None:
    """After the answer a client has so many seconds to stop."""
    async with Stage(bounds(linger=SHORT, head=4 * SHORT)) as stage, talking(stage) as client:
        stage.plays[b"/body"] = lambda _: told(not_signed_in())
        await client.segments([POST])
        answer = await client.answer()
        await wait_until(lambda: not len(stage.listener), "the connection was never cut")

    assert answer.status == 401


async def test_who_goes_on_with_too_much_is_cut() -> None:
    """Or so many bytes."""
    async with Stage(bounds(linger=LONG, linger_bytes=10_000)) as stage, talking(stage) as client:
        stage.plays[b"/body"] = lambda _: told(not_signed_in())
        await client.segments([POST.replace(b"100", b"1000000")])
        answer = await client.answer()
        await client.segments([b"a" * 5000, b"a" * 5001])
        await wait_until(lambda: not len(stage.listener), "the connection was never cut")

    assert answer.status == 401


async def test_the_end_comes_at_once_when_the_client_closes() -> None:
    """Nobody waits for bytes that cannot come any longer."""
    async with Stage(bounds(linger=LONG)) as stage, talking(stage) as client:
        await client.segments([b"nonsense\r\n\r\n"])
        await client.answers()
        client.direct.shutdown(socket.SHUT_WR)
        await wait_until(lambda: not len(stage.listener), "the connection was never closed")
