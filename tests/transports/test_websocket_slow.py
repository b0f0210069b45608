"""Clients that take less than they are given: what waits for them is bounded, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from antiphon.services.channels.frames import Change, Frame, Kind, event_frame, presence_frame
from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from antiphon.transports.websocket.outlet import Outlet, framed
from antiphon.transports.websocket.settings import WebsocketSettings
from antiphon.wire.websocket.frames import text_frame
from tests.transports.websocket_stage import Server, Stage, on_stage, text


class Paused:
    """A socket whose client takes nothing until the test says so."""

    can_ping: ClassVar[bool] = True

    def __init__(self) -> None:
        self.is_open = True
        self.is_paused = True
        self.waiting_bytes = 0
        self.sent: list[bytes] = []
        self.room = 1_000

    def send(self, frame: bytes) -> None:
        """Take a frame, and be full again when there is no more room."""
        self.sent.append(frame)
        self.room -= 1
        self.is_paused = self.room <= 0

    def ping(self) -> None:
        """Nothing."""

    def close(self, code: int, reason: str = "") -> None:
        """Nothing."""

    def abort(self) -> None:
        """Nothing."""

    def check(self, now: float) -> None:
        """Nothing."""


class Bench:
    """An outlet of 1,000 bytes and 10 frames, and what became of it."""

    def __init__(self) -> None:
        self.clock = StandingClock()
        self.socket = Paused()
        self.slow = 0
        self.dropped = 0
        settings = WebsocketSettings(queue_bytes=1_024, queue_frames=10)
        self.outlet = Outlet(self.socket, settings, self.clock.monotonic, self.too_slow, self.drop)

    def too_slow(self) -> None:
        """The client is too slow."""
        self.slow += 1

    def drop(self) -> None:
        """A frame is not shown."""
        self.dropped += 1

    def flush(self) -> list[bytes]:
        """Let the client take everything."""
        self.socket.is_paused = False
        assert self.outlet.flush()
        return self.socket.sent


@pytest.fixture
def bench() -> Bench:
    """An outlet."""
    return Bench()


def reply(size: int = 10) -> Frame:
    """A reply of this size."""
    return Frame(Kind.REPLY, b"r" * size)


def ephemeral(body: str, sender: str = "ada", size: int = 10) -> Frame:
    """An event of which only the newest counts."""
    return Frame(Kind.EPHEMERAL, body.encode().ljust(size), topic="keys", key=f"keys\n{sender}")


def presence(version: int, joined: str = "", left: str = "") -> Frame:
    """Who came and went."""
    change = Change(version, {joined: b'{"id":"%b"}' % joined.encode()} if joined else {}, {})
    if left:
        change = Change(version, change.joined, {left: b'{"id":"%b"}' % left.encode()})
    return presence_frame("news", change)


def test_frames_leave_in_order(bench: Bench) -> None:
    """As soon as there is room, each in the form of the wire."""
    frames = [Frame(Kind.REPLY, b"1"), event_frame(b'{"topic":"a",', b'{"event":"E"}'), Frame(Kind.ITEM, b"3")]
    for frame in frames:
        assert bench.outlet.add(frame)

    assert bench.flush() == [text_frame(frame.data) for frame in frames]


def test_only_as_much_leaves_as_there_is_room_for(bench: Bench) -> None:
    """The rest waits on."""
    for _ in range(5):
        bench.outlet.add(reply())
    bench.socket.is_paused, bench.socket.room = False, 2

    assert not bench.outlet.flush()
    assert len(bench.socket.sent) == 2


@pytest.mark.parametrize("kind", [Kind.REPLY, Kind.EVENT])
def test_a_reply_or_an_event_too_many_is_too_slow(bench: Bench, kind: Kind) -> None:
    """By number and by bytes: it is kept over half, and at the whole the client is closed."""
    for _ in range(10):
        bench.outlet.add(Frame(kind, b"x"))
    assert not bench.slow
    bench.outlet.add(Frame(kind, b"x"))
    assert bench.slow == 1
    big = Bench()
    big.outlet.add(Frame(kind, b"x" * 1_000))
    assert not big.slow
    big.outlet.add(Frame(kind, b"x" * 100))
    assert big.slow == 1


def test_an_item_waits_from_half_on(bench: Bench) -> None:
    """It is not kept, so that the action waits with it."""
    while bench.outlet.add(Frame(Kind.ITEM, b"x" * 100)):
        pass

    assert not bench.slow
    assert len(bench.flush()) == 6


async def test_who_waits_for_room_goes_on_when_there_is_some(bench: Bench) -> None:
    """Not before the queue is half empty."""
    while bench.outlet.add(Frame(Kind.ITEM, b"x" * 100)):
        pass
    waiting = asyncio.create_task(bench.outlet.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    bench.flush()

    await asyncio.wait_for(waiting, 5)
    assert bench.outlet.add(Frame(Kind.ITEM, b"x" * 100))


async def test_who_waits_for_room_goes_on_when_the_client_has_gone(bench: Bench) -> None:
    """Into the void."""
    bench.outlet.add(reply(600))
    waiting = asyncio.create_task(bench.outlet.room())
    await asyncio.sleep(0)
    bench.outlet.close()

    await asyncio.wait_for(waiting, 5)


def test_presence_is_merged_when_it_waits(bench: Bench) -> None:
    """Over half, one frame of a topic waits, in its place, and says all of it."""
    bench.outlet.add(presence(1, joined="ada"))
    bench.outlet.add(reply(600))
    bench.outlet.add(presence(2, joined="eve"))
    bench.outlet.add(presence(3, left="ada"))

    first, _ = bench.flush()
    assert json.loads(first[2:])["presence"] == {"version": 3, "joined": [{"id": "eve"}], "left": []}


def test_of_ephemeral_events_the_newest_waits(bench: Bench) -> None:
    """Over half, for each sender; below it all of them do."""
    bench.outlet.add(ephemeral("1"))
    bench.outlet.add(ephemeral("2"))
    bench.outlet.add(reply(600))
    bench.outlet.add(ephemeral("3"))
    bench.outlet.add(ephemeral("4", "eve"))

    sent = [frame[2:3] for frame in bench.flush()]
    assert (sent[:2], sent[3:]) == ([b"1", b"3"], [b"4"])


def test_ephemeral_events_that_find_no_room_are_dropped(bench: Bench) -> None:
    """And counted; nobody is closed for them."""
    bench.outlet.add(reply(1_000))
    for number in range(5):
        bench.outlet.add(ephemeral("x", str(number), size=100))

    assert (bench.slow, bench.dropped) == (0, 5)
    assert len(bench.flush()) == 1


def test_a_frame_that_waits_too_long_is_too_slow(bench: Bench) -> None:
    """30 seconds, counted from when it began to wait."""
    bench.outlet.add(reply())
    bench.clock.move(timedelta(seconds=20))
    bench.outlet.add(reply())
    bench.socket.is_paused, bench.socket.room = False, 1
    bench.outlet.flush()
    bench.clock.move(timedelta(seconds=20))
    bench.outlet.check(bench.clock.monotonic())
    assert not bench.slow
    bench.clock.move(timedelta(seconds=11))
    bench.outlet.check(bench.clock.monotonic())

    assert bench.slow == 1


def test_a_frame_is_framed_once() -> None:
    """However many it goes to."""
    frame = reply()

    assert framed(frame) is framed(frame)


# On real sockets


async def test_a_client_that_takes_nothing_is_closed_and_nobody_waits_for_it(
    tmp_path: Path, shared: tuple[str, str]
) -> None:
    """With 4008 once it could hear it; its memory is bounded, and everybody else is shown everything."""
    bounds = {"queue_bytes": 65_536, "burst": 10_000, "frames": 10_000}
    async with on_stage(tmp_path, shared, websocket=bounds) as live, live.ada() as ada:
        async with live.raw(b"Authorization: Bearer slow\r\n", receive_bytes=4096) as slow:
            await slow.send(text(id=1, subscribe="news"))
            await ada.watch("news")
            (behind,) = [client for client in live.clients if client.caller.id == "slow"]
            await wait_until(lambda: "news" in behind.watches, "it never watched")
            said = 0
            while behind.socket.is_open:
                await ada.result("news:post", body=f"{said} " + "x" * 30_000)
                said += 1
                assert behind.socket.waiting_bytes < 65_536 * 4

            bodies = [(await ada.event("news"))["body"].split()[0] for _ in range(said)]
            assert bodies == [str(number) for number in range(said)]
            opcode, payload = (await slow.frames(2))[-1]
            while opcode != 8:
                ((opcode, payload),) = await slow.frames()
            assert int.from_bytes(payload[:2]) == 4008
        await live.gone_to(1)
        assert live.desk.closes == {4008: 1}


async def test_a_stream_waits_for_its_client(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """Items are made as fast as they are taken and no faster; when the client goes on, all of them come in order."""
    pages = 3_000
    async with on_stage(tmp_path, shared, server, websocket={"queue_bytes": 65_536}) as live:
        async with live.raw(b"Authorization: Bearer slow\r\n", receive_bytes=4096) as slow:
            await slow.frames()
            await slow.send(text(id=1, action="pages:read", params={"to": pages, "size": 10_000}))
            made = await made_until_it_waits(live)
            assert made < pages

            frames = [json.loads(payload) for _, payload in await slow.frames(pages + 1)]
            assert [frame["item"]["n"] for frame in frames[:-1]] == [*range(pages)]
            assert frames[-1] == {"id": 1, "done": True}
            await slow.send(text(id=2, ping=True))
            assert json.loads((await slow.frames())[0][1])["id"] == 2


async def made_until_it_waits(live: Stage) -> int:
    """How many items were made when no more are."""
    seen = [0]

    def stands() -> bool:
        seen.append(len(live.watch.seen))
        return seen[-1] > 0 and len(seen) > 5 and len({*seen[-5:]}) == 1

    await wait_until(stands, "it never waited")
    return seen[-1]


async def test_a_client_that_takes_nothing_for_long_is_closed(tmp_path: Path, shared: tuple[str, str]) -> None:
    """A frame waits 30 seconds, however few there are; the streams of the client end with it."""
    clock = StandingClock()
    async with on_stage(tmp_path, shared, clock=clock, websocket={"queue_bytes": 65_536, "ping_time": "1000h"}) as live:
        async with live.raw(b"Authorization: Bearer slow\r\n", receive_bytes=4096) as slow:
            await slow.send(text(id=1, action="stream:endless", params={"size": 10_000}))
            await made_until_it_waits(live)
            clock.move(timedelta(seconds=30))
            live.sweep()
            assert live.clients[0].socket.is_open
            clock.move(timedelta(seconds=1))
            live.sweep()

            assert not live.clients[0].socket.is_open
            await asyncio.wait_for(live.watch.event("closed").wait(), 10)
            clock.move(timedelta(seconds=1))
            live.sweep()
            clock.move(timedelta(seconds=11))
            live.sweep()
            await live.gone()


async def test_what_waits_and_what_became_of_it_is_counted(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Sockets, bytes and closes by their code; a code that only the client knows makes no label of its own."""
    async with on_stage(tmp_path, shared, websocket={"queue_bytes": 65_536}) as live:
        async with live.raw(receive_bytes=4096) as slow:
            await slow.send(text(id=1, action="stream:endless", params={"size": 10_000}))
            await made_until_it_waits(live)
            during = (await live.get("/metrics")).body.decode()
        async with live.talker() as talker:
            await talker.connection.close(4999)
        await live.gone()
        after = (await live.get("/metrics")).body.decode()

    assert "antiphon_sockets 1.0" in during
    assert float(value_of(during, "antiphon_socket_waiting_bytes ")) > 30_000
    assert "antiphon_sockets 0.0" in after
    assert value_of(after, 'antiphon_socket_closes_total{code="other"} ') == "1.0"
    assert value_of(after, "antiphon_socket_dropped_frames_total ") == "0.0"


def value_of(metrics: str, name: str) -> str:
    """The value that stands behind a name."""
    return next(line.removeprefix(name) for line in metrics.splitlines() if line.startswith(name))
