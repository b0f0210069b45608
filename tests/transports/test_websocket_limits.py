"""Each limit of a socket crossed: sizes, rates, silence, frames that are none, and nobody who signs in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect

from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from tests.transports.websocket_stage import QUICK_CHANNELS, Server, Stage, Talker, on_stage, text
from tests.wire.websocket.bytes_of import OPEN_TEXT, PING, PONG, TEXT, frame


@pytest.fixture
def clock() -> StandingClock:
    """Time that stands still until the test moves it."""
    return StandingClock()


@pytest.fixture
async def still(tmp_path: Path, shared: tuple[str, str], clock: StandingClock) -> AsyncIterator[Stage]:
    """The surface on our own server, while time stands still."""
    async with on_stage(tmp_path, shared, clock=clock) as live:
        yield live


def pass_time(live: Stage, clock: StandingClock, seconds: float) -> None:
    """Let time pass, and have it noticed."""
    clock.move(timedelta(seconds=seconds))
    live.sweep()


# Sizes


async def test_a_frame_at_its_limit_is_answered(live_anyhow: Stage) -> None:
    """64 KiB, to the byte."""
    async with live_anyhow.talker() as talker:
        bare = json.dumps({"id": 1, "action": "word:get", "x": ""})
        await talker.send(json.dumps({"id": 1, "action": "word:get", "x": "y" * (65_536 - len(bare))}))

        assert "result" in await talker.answer(1)


async def test_a_frame_over_its_limit_closes(live_anyhow: Stage) -> None:
    """With 1009; what came before it is answered."""
    async with live_anyhow.talker() as talker:
        await talker.say(id=1, action="word:fast")
        await talker.send(json.dumps({"id": 2, "action": "word:get", "x": "y" * 65_536}))

        assert await talker.closed() == 1009
        assert "result" in talker.kept[0]


async def test_the_limit_holds_for_a_message_in_many_frames(live: Stage) -> None:
    """However it is cut."""
    async with live.raw() as client:
        await client.frames()
        await client.send(frame(OPEN_TEXT, b"x" * 40_000) + frame(0x80, b"x" * 40_000))

        assert await client.close_code() == 1009


async def test_the_limit_holds_after_inflating(tmp_path: Path, shared: tuple[str, str]) -> None:
    """A small frame that becomes large is refused like a large one."""
    async with on_stage(tmp_path, shared, websocket={"deflate": True}) as live:
        async with connect(f"ws://127.0.0.1:{live.port}/ws", compression="deflate", proxy=None) as client:
            talker = Talker(client)
            await talker.send(json.dumps({"id": 1, "action": "word:get", "x": "y" * 500_000}))

            assert await talker.closed() == 1009


async def test_the_limit_is_a_setting_and_told(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """In the hello."""
    async with on_stage(tmp_path, shared, server, websocket={"frame_bytes": 2048}) as live, live.talker() as talker:
        assert talker.hello["frameBytes"] == 2048
        await talker.send("x" * 2049)

        assert await talker.closed() == 1009


async def test_a_binary_frame_closes(live_anyhow: Stage) -> None:
    """With 1003: frames are text."""
    async with live_anyhow.talker() as talker:
        await talker.connection.send(b'{"id":1,"ping":true}', text=False)

        assert await talker.closed() == 1003


async def test_a_text_that_is_no_utf8_closes(live: Stage) -> None:
    """With 1007."""
    async with live.raw() as client:
        await client.frames()
        await client.send(frame(TEXT, b'{"id":1,"action":"\xff"}'))

        assert await client.close_code() == 1007


# Rates


async def test_more_frames_than_the_burst_are_refused(still: Stage, clock: StandingClock) -> None:
    """40 at once; the next is told when to come back, under its id, and 20 more may come a second later."""
    async with still.talker() as talker:
        for _ in range(40):
            assert "result" in await talker.ask(ping=True)
        refused = await talker.ask(id="one more", action="word:get")
        assert (refused["id"], refused["error"]["type"]) == ("one more", "TOO_MANY_CALLS")
        assert refused["error"]["retryAfter"] == 1

        clock.move(timedelta(seconds=1))
        for _ in range(20):
            assert "result" in await talker.ask(ping=True)
        assert await talker.refusal(ping=True) == "TOO_MANY_CALLS"


@pytest.mark.parametrize("verb", [{"action": "word:fast"}, {"ping": True}, {"subscribe": "news"}, {"cancel": 1}])
async def test_every_frame_counts(tmp_path: Path, shared: tuple[str, str], verb: dict[str, Any]) -> None:
    """Whatever it asks for."""
    async with on_stage(tmp_path, shared, clock=StandingClock(), websocket={"burst": 2}) as live:
        async with live.talker() as talker:
            assert "result" in await talker.ask(**verb)
            assert "result" in await talker.ask(**verb)
            assert await talker.refusal(**verb) == "TOO_MANY_CALLS"


async def test_a_hundred_refusals_in_a_minute_close(still: Stage) -> None:
    """With 4029."""
    async with still.talker() as talker:
        for n in range(140):
            await talker.say(id=n, ping=True)

        assert await talker.closed() == 4029
        assert sum("error" in frame for frame in talker.kept) == 100


async def test_refusals_of_another_minute_do_not_count(still: Stage, clock: StandingClock) -> None:
    """Whoever is too fast now and then is not sent away."""
    async with still.talker() as talker:
        for n in range(139):
            await talker.say(id=n, ping=True)
        await talker.answer(138)
        clock.move(timedelta(seconds=61))
        for n in range(200, 250):
            await talker.say(id=n, ping=True)

        assert (await talker.answer(249))["error"]["type"] == "TOO_MANY_CALLS"


# Silence


async def test_a_silent_client_is_asked_and_then_closed(still: Stage, clock: StandingClock) -> None:
    """After 25 seconds it is asked for a sign of life, and 10 seconds later it is closed with 4001."""
    async with still.raw(b"Authorization: Bearer ada\r\n") as client:
        await client.frames()
        pass_time(still, clock, 24)
        pass_time(still, clock, 1)
        assert await client.frames() == [(0x9, b"")]
        pass_time(still, clock, 10)
        assert still.clients[0].socket.is_open
        pass_time(still, clock, 1)

        assert await client.close_code() == 4001


@pytest.mark.parametrize("sign", [frame(PONG), frame(PING, b"x"), text(id=1, ping=True)])
async def test_any_frame_is_a_sign_of_life(still: Stage, clock: StandingClock, sign: bytes) -> None:
    """A pong, a ping and a call."""
    async with still.raw(b"Authorization: Bearer ada\r\n") as client:
        await client.frames()
        (one,) = still.clients
        for _ in range(3):
            pass_time(still, clock, 25)
            clock.move(timedelta(seconds=9))
            heard = one.heard_at
            await client.send(sign)
            await wait_until(lambda heard=heard: one.heard_at > heard, "nothing was heard")
            pass_time(still, clock, 2)

            assert one.socket.is_open


# Nobody


async def test_an_anonymous_socket_is_closed_when_nobody_signs_in(still: Stage, clock: StandingClock) -> None:
    """With 4501 after 10 seconds; whoever is signed in stays."""
    async with still.talker() as talker, still.ada() as ada:
        pass_time(still, clock, 10)
        assert "result" in await talker.ask(ping=True)
        pass_time(still, clock, 1)

        assert await talker.closed() == 4501
        assert "result" in await ada.ask(ping=True)


async def test_a_running_call_keeps_an_anonymous_socket(still: Stage, clock: StandingClock) -> None:
    """Until it has ended."""
    async with still.talker() as talker:
        slow = await talker.say(action="stream:patient")
        await talker.answer(slow)
        pass_time(still, clock, 20)
        still.watch.event("go on").set()
        await talker.takes(slow)
        await wait_until(lambda: not still.clients[0].is_busy, "the call never ended")
        still.sweep()

        assert await talker.closed() == 4501


async def test_sockets_may_stay_anonymous_where_the_settings_say_so(tmp_path: Path, shared: tuple[str, str]) -> None:
    """`websocket.anonymous`."""
    clock = StandingClock()
    async with on_stage(tmp_path, shared, clock=clock, websocket={"anonymous": True}) as live:
        async with live.talker() as talker:
            pass_time(live, clock, 20)

            assert "result" in await talker.ask(ping=True)


async def test_times_are_looked_after_by_themselves(tmp_path: Path, shared: tuple[str, str], server: Server) -> None:
    """Nobody has to ask: the sweep runs while there are sockets."""
    async with on_stage(tmp_path, shared, server, websocket={"sign_in_time": "10ms"}) as live:
        async with live.talker() as one, live.talker() as other:
            assert await asyncio.gather(one.closed(), other.closed()) == [4501, 4501]


# Topics


async def test_a_socket_watches_a_bounded_number_of_topics(tmp_path: Path, shared: tuple[str, str]) -> None:
    """One more is CONFLICT; a repeat is free, and so is one in the place of another."""
    channels = {**QUICK_CHANNELS, "topics": 2}
    async with on_stage(tmp_path, shared, channels=channels) as live, live.talker() as talker:
        await talker.watch("news")
        await talker.watch("keys")
        assert await talker.refusal(subscribe="bell:a") == "CONFLICT"
        await talker.watch("news")
        await talker.ask(unsubscribe="keys")

        assert (await talker.watch("bell:a"))["topic"] == "bell:a"
        assert await talker.result("topics:mine") == ["bell:a", "news"]
