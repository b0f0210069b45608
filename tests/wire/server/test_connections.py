"""How many connections there may be, what becomes of one too many, and how all of them end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import monotonic
from typing import cast

import pytest

from antiphon.testing.raw import BrokenAnswer
from antiphon.testing.waiting import wait_until
from antiphon.wire.faults import WireFault
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response, StreamResponse, Takeover
from antiphon.wire.server.accepting import Address, household, peer_of
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.listener import is_loopback
from tests.wire.server.stage import HOST, TEXT, Stage, text
from tests.wire.server.talking import SMUGGLED, Talk, talking

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GATE = b"GET /gate HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = Bounds(idle_seconds=0.2)
"""Looks at the connections often, and so notices soon that another protocol has ended."""

UPGRADE = b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n"


def nobody(_: str) -> bool:
    """No address is apart from the others, as the machine's own would be."""
    return False


class Echo(asyncio.Protocol):
    """Another protocol: says everything back."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport over."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Say it back."""
        self.received += data
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Know that it is over."""
        self.lost.set()


def taking(echo: Echo) -> Takeover:
    """The answer that hands the connection to it."""
    return Takeover([(b"upgrade", b"echo"), (b"connection", b"upgrade")], echo)


async def status_of(client: Talk, data: bytes = GET) -> int | None:
    """The status of a request, or None when the connection is closed instead."""
    await client.segments([data])
    try:
        return (await client.answer()).status
    except BrokenAnswer:
        return None


# Too many


async def test_one_connection_too_many_is_told_and_closed() -> None:
    """503 for as many as there is room to tell, the rest is closed without a word; those before are not disturbed."""
    async with Stage(Bounds(connections=2, turned_away=1)) as stage, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(talking(stage)) for _ in range(4)]
        statuses = [await status_of(client) for client in clients]
        again = await status_of(clients[0])
        closed = await clients[2].rest()

    assert statuses == [200, 200, 503, None]
    assert (again, closed) == (200, b"")


async def test_there_is_room_again_once_connections_have_closed() -> None:
    """Also after many were turned away without a word."""
    async with Stage(Bounds(connections=1, turned_away=0), is_local=nobody) as stage:
        async with talking(stage) as first:
            assert await status_of(first) == 200
            for _ in range(10):
                async with talking(stage) as other:
                    assert await status_of(other) is None
        await wait_until(lambda: not len(stage.listener), "the connection was never closed")
        async with talking(stage) as client:
            assert await status_of(client) == 200


async def test_an_address_has_only_so_many_connections() -> None:
    """The next is closed without a word; another address has its own number."""
    async with Stage(Bounds(per_address=2), is_local=nobody) as stage, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(talking(stage)) for _ in range(3)]
        statuses = [await status_of(client) for client in clients]
        other = await stack.enter_async_context(talking(stage, source="127.0.0.9"))
        assert await status_of(other) == 200
        await clients[0].close()
        await wait_until(lambda: len(stage.listener) == 2, "the connection was never closed")
        assert await status_of(await stack.enter_async_context(talking(stage))) == 200

    assert statuses == [200, 200, None]


async def test_what_was_turned_away_does_not_count_for_its_address() -> None:
    """A full server does not use up the number of an address."""
    async with Stage(Bounds(connections=1, turned_away=0, per_address=3), is_local=nobody) as stage:
        async with talking(stage, source="127.0.0.9") as first:
            assert await status_of(first) == 200
            for _ in range(5):
                async with talking(stage) as other:
                    assert await status_of(other) is None
        await wait_until(lambda: not len(stage.listener), "the connection was never closed")
        async with talking(stage) as client:
            assert await status_of(client) == 200


@pytest.mark.parametrize(
    ("address", "peer", "local"),
    [
        (("127.0.0.1", 1), "127.0.0.1", True),
        (("127.9.9.9", 1), "127.9.9.9", True),
        (("::1", 1, 0, 0), "::1", True),
        (("::ffff:127.0.0.1", 1, 0, 0), "127.0.0.1", True),
        (("::ffff:10.0.0.1", 1, 0, 0), "10.0.0.1", False),
        (("10.0.0.1", 1), "10.0.0.1", False),
        (("fe80::1%eth0", 1, 0, 2), "fe80::1%eth0", False),
        ("/run/app.sock", "", False),
        (None, "", False),
    ],
)
def test_a_client_has_one_name_and_the_machines_own_are_known(address: Address, peer: str, local: bool) -> None:
    """In both versions, and in the one within the other, which a socket that takes both shows."""
    assert peer_of(address) == peer
    assert is_loopback(peer) is local


async def test_the_machine_itself_is_not_counted() -> None:
    """A proxy on the same machine brings everybody's connections."""
    async with Stage(Bounds(per_address=1)) as stage, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(talking(stage)) for _ in range(3)]
        statuses = [await status_of(client) for client in clients]

    assert statuses == [200, 200, 200]


# Another protocol


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
@pytest.mark.parametrize("waits", [False, True])
async def test_another_protocol_takes_over_with_all_that_came_behind(waits: bool) -> None:
    """What stood in the same segment is its own, and is no request."""
    echo = Echo()

    async def later(_: Request) -> Answer:
        await asyncio.sleep(0)
        return taking(echo)

    async with Stage(QUICK) as stage, talking(stage) as client:
        stage.plays[b"/echo"] = later if waits else lambda _: taking(echo)
        await client.segments([GET + UPGRADE + b"\r\n" + SMUGGLED])
        first, second = await client.answer(), await client.answer()
        assert await client.some(len(SMUGGLED)) == SMUGGLED
        await client.segments([b"more"])
        assert await client.some(4) == b"more"
        echo.transport.close()
        assert await client.rest() == b""

    assert (first.status, second.status, second.header("upgrade")) == (200, 101, "echo")
    assert stage.paths == [b"/", b"/echo"]


async def test_a_connection_that_was_taken_over_has_no_time_of_ours_and_still_counts() -> None:
    """Heads and idleness are HTTP's; the number of connections is the server's."""
    short = Bounds(head_seconds=0.1, idle_seconds=0.1, connections=1)
    async with Stage(short) as stage, talking(stage) as client:
        echo = Echo()
        stage.plays[b"/echo"] = lambda _: taking(echo)
        await client.segments([UPGRADE + b"\r\n"])
        await client.answer()
        async with talking(stage) as other:
            assert await status_of(other) == 503
        # Nobody sends on it until HTTP's times have passed on a connection that it still has.
        await wait_until(lambda: len(stage.listener) == 1, "the other connection was never closed")
        async with talking(stage) as other:
            assert await other.rest() == b""
        await client.segments([b"still"])
        assert await client.some(5) == b"still"
        echo.transport.close()
        await wait_until(lambda: not len(stage.listener), "it counted on after it was closed")
        async with talking(stage) as other:
            assert await status_of(other) == 200


async def test_no_part_of_a_body_becomes_another_protocols_first_bytes(stage: Stage) -> None:
    """A request for another protocol whose body has not come is refused, and nothing more of it is read."""
    echo = Echo()
    stage.plays[b"/echo"] = lambda _: taking(echo)
    async with talking(stage) as client:
        await client.segments([UPGRADE + b"Content-Length: 10\r\n\r\nabc", b"defghij" + SMUGGLED])
        answers = await client.answers()

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(400, "close")]
    assert echo.received == b""
    assert stage.paths == [b"/echo"]


# The end of all


async def test_the_end_waits_for_answers_and_not_for_idle_connections(stage: Stage) -> None:
    """Idle connections end at once; a call is answered, as the last on its connection."""
    async with talking(stage) as idle, talking(stage) as busy:
        await idle.segments([GET])
        await idle.answer()
        await busy.segments([GATE + SMUGGLED])
        finishing = asyncio.create_task(stage.listener.finish(10))
        assert await idle.rest() == b""
        assert not finishing.done()
        stage.gate.set()
        answers = await busy.answers()
        await busy.close()
        await finishing

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(200, "close")]
    assert stage.paths == [b"/", b"/gate"]


@pytest.mark.parametrize("cut", [0, 10])
async def test_who_has_just_come_is_answered_before_the_end(stage: Stage, cut: int) -> None:
    """Whether nothing has come yet or half a head: to the client its request was taken in time."""
    async with talking(stage) as client:
        await client.segments([GET[:cut]])
        await wait_until(lambda: len(stage.listener), "nobody came")
        finishing = asyncio.create_task(stage.listener.finish(10))
        await wait_until(lambda: all(each.closing for each in stage.connections), "it was never told of the end")
        await client.segments([GET[cut:] + SMUGGLED])
        answers = await client.answers()
        await client.close()
        await finishing

    assert [(answer.status, answer.header("connection")) for answer in answers] == [(200, "close")]
    assert stage.paths == [b"/"]


async def test_who_waits_in_the_queue_at_the_end_is_answered(stage: Stage) -> None:
    """The system has connected them already."""
    loop = asyncio.get_running_loop()
    # Without a turn of the loop, so nothing has accepted it.
    with socket.create_connection((HOST, stage.port)) as client:
        client.setblocking(False)
        finishing = asyncio.create_task(stage.listener.finish(10))
        await wait_until(lambda: len(stage.listener), "it was never accepted")
        await loop.sock_sendall(client, GET)
        answer = await loop.sock_recv(client, 65536)
    await finishing

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize("cut", [0, 10])
async def test_who_has_not_asked_for_a_while_does_not_hold_up_the_end(cut: int) -> None:
    """Browsers open connections for later, and some clients never finish a head."""
    async with Stage(Bounds(rate_after_seconds=0.04, last_seconds=0.05)) as stage, talking(stage) as client:
        await client.segments([GET[:cut]])
        await wait_until(lambda: len(stage.listener), "nobody came")
        came_at = monotonic()
        await wait_until(lambda: monotonic() - came_at > 0.2, "time stands still")
        await stage.listener.finish(60)
        assert await client.rest() == b""

    assert stage.paths == []


async def test_the_end_comes_also_for_what_never_ends(stage: Stage) -> None:
    """After its time: streams are closed, calls cancelled, other protocols cut."""
    ended = asyncio.Event()
    echo = Echo()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            ended.set()

    stage.plays[b"/endless"] = lambda _: StreamResponse(200, TEXT, endless())
    stage.plays[b"/echo"] = lambda _: taking(echo)
    async with talking(stage) as stream, talking(stage) as taken, talking(stage) as trickle:
        await stream.segments([b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n"])
        await stream.head()
        await taken.segments([UPGRADE + b"\r\n"])
        await taken.answer()
        await trickle.segments([b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"])
        await stage.listener.finish(0.1)
        await wait_until(echo.lost.is_set, "the other protocol was never cut")
        await wait_until(lambda: not len(stage.listener.connections), "a connection was never cut")

    assert ended.is_set()


async def test_the_end_under_load_cuts_no_answer(stage: Stage) -> None:
    """Every request that is answered is answered whole, whoever asks how fast when the end comes."""
    many = 20

    async def slow(request: Request) -> Answer:
        for _ in range(3):
            await asyncio.sleep(0)
        return text(b"x" * 10_000)

    stage.plays[b"/slow"] = slow

    async def ask(client: Talk) -> int:
        answered = 0
        while True:
            try:
                await client.segments([b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"])
                answer = await client.answer()
            except BrokenAnswer as cut:
                # An answer that was cut is another fault than one that never came.
                if "where a line belongs" not in str(cut):
                    raise
                return answered
            assert len(answer.body) == 10_000
            answered += 1
            if answer.header("connection") == "close":
                assert await client.rest() == b""
                return answered

    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(talking(stage)) for _ in range(many)]
        asking = [asyncio.create_task(ask(client)) for client in clients]
        await wait_until(lambda: len(stage.asked) > 5 * many, "nobody asked")
        await stage.listener.finish(10)
        answered = await asyncio.gather(*asking)

    assert sum(answered) <= len(stage.asked) <= sum(answered) + many


async def test_nothing_is_accepted_after_the_end(stage: Stage) -> None:
    """The port is free again."""
    await stage.listener.finish(0)

    with pytest.raises(ConnectionRefusedError):
        async with talking(stage):
            pass


async def test_the_watch_over_connections_outlives_a_defect_in_what_refuses() -> None:
    """What cannot be told is reported, its connection cut, and the others are watched on."""
    async with Stage(Bounds(head_seconds=0.1)) as stage:

        def broken(_: WireFault) -> Response:
            raise LookupError("broken")

        stage.refuses = broken
        async with talking(stage) as client, talking(stage) as silent:
            await client.segments([b"GET"])
            assert await client.rest() == b""
            assert await silent.rest() == b""
        assert [str(defect) for defect in stage.claim()] == ["broken"]


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("no:address", "no:address"),
    ],
)
def test_all_addresses_of_one_line_are_counted_as_one(peer: str, counted: str) -> None:
    """Or whoever has IPv6 could have any number of connections."""
    assert household(peer) == counted
