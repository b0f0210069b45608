"""A server that goes away: clients are told when to come back, calls end first, and nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from antiphon.testing.waiting import wait_until
from tests.transports.websocket_stage import QUICK_CHANNELS, Stage, on_stage


@asynccontextmanager
async def stopping(live: Stage) -> AsyncGenerator[asyncio.Task[None]]:
    """The application stops, beside the block; at its end it has stopped."""
    desk = live.desk
    stop = asyncio.create_task(live.app.stop())
    try:
        await wait_until(lambda: desk.draining or stop.done(), "the drain never began")
        yield stop
    finally:
        await stop
    assert not desk.clients
    assert not desk.tasks


async def test_clients_are_told_to_come_back_and_closed(tmp_path: Path, shared: tuple[str, str]) -> None:
    """With a number of milliseconds up to the drain time, and then with 1012."""
    async with on_stage(tmp_path, shared, websocket={"drain_time": "200ms"}) as live:
        async with live.talker() as one, live.ada() as two, stopping(live):
            for talker in (one, two):
                reconnect = (await talker.next())["reconnect"]
                assert reconnect.keys() == {"afterMs"}
                assert 0 <= reconnect["afterMs"] < 200
            assert await asyncio.gather(one.closed(), two.closed()) == [1012, 1012]


async def test_no_two_clients_are_told_the_same(tmp_path: Path, shared: tuple[str, str]) -> None:
    """So that they neither leave nor come back all at once."""
    async with on_stage(tmp_path, shared, websocket={"drain_time": "5s"}) as live, AsyncExitStack() as stack:
        talkers = [await stack.enter_async_context(live.talker()) for _ in range(10)]
        async with stopping(live):
            told = {(await talker.next())["reconnect"]["afterMs"] for talker in talkers}
            times = {client.leaving_at for client in live.clients}
            await asyncio.gather(*(talker.connection.close() for talker in talkers))

    assert len(told) > 1
    assert len(times) > 1


async def test_a_running_call_ends_first(tmp_path: Path, shared: tuple[str, str]) -> None:
    """It is answered, and then its socket is closed."""
    async with on_stage(tmp_path, shared, websocket={"drain_time": "10ms"}) as live, live.talker() as talker:
        slow = await talker.say(action="slow:put")
        await live.watch.event("put began").wait()
        async with stopping(live):
            assert "reconnect" in await talker.next()
            await wait_until(lambda: live.desk.now() > (live.clients[0].leaving_at or 0), "its time never came")
            live.sweep()
            assert live.clients[0].socket.is_open
            assert await talker.refusal(action="word:get") == "UNAVAILABLE"
            assert "result" in await talker.ask(ping=True)
            live.watch.event("go on").set()

            assert (await talker.answer(slow))["result"]["text"] == "put"
            assert await talker.closed() == 1012


async def test_calls_are_answered_until_a_client_is_sent_away(tmp_path: Path, shared: tuple[str, str]) -> None:
    """Being told to come back is no reason to be refused."""
    async with on_stage(tmp_path, shared, websocket={"drain_time": "5s"}) as live, live.talker() as talker:
        async with stopping(live):
            assert "reconnect" in await talker.next()
            assert await talker.result("word:get")
            await talker.connection.close()


async def test_a_call_that_does_not_end_is_told(tmp_path: Path, shared: tuple[str, str]) -> None:
    """When the time of the drain is over it is cancelled, and says so."""
    async with on_stage(tmp_path, shared, http={"drain_time": "300ms"}) as live, live.talker() as talker:
        slow = await talker.say(action="slow:put")
        await live.watch.event("put began").wait()
        async with stopping(live):
            assert (await talker.answer(slow))["error"]["type"] == "UNAVAILABLE"
            assert await talker.closed() == 1012

    assert live.watch.seen == ["put cancelled"]


async def test_a_stream_ends_with_an_error(tmp_path: Path, shared: tuple[str, str]) -> None:
    """It may last for ever, so nobody waits for its end."""
    async with on_stage(tmp_path, shared) as live, live.talker() as talker:
        frame_id = await talker.say(action="stream:endless")
        await talker.answer(frame_id)
        async with stopping(live):
            assert (await talker.answer(frame_id))["error"]["type"] == "UNAVAILABLE"
            assert await talker.closed() == 1012

    assert live.watch.event("closed").is_set()


async def test_a_client_that_does_not_close_is_left(tmp_path: Path, shared: tuple[str, str]) -> None:
    """The server does not wait for it longer than for a call."""
    async with on_stage(tmp_path, shared, http={"drain_time": "300ms"}) as live:
        async with live.raw() as client:
            await client.frames()
            async with asyncio.timeout(10), stopping(live):
                pass


async def test_those_who_watch_are_not_gone_for_others(tmp_path: Path, shared: tuple[str, str]) -> None:
    """They have the grace to come back on another node: on that one nobody sees them leave."""
    channels = {**QUICK_CHANNELS, "grace_time": "1h"}
    async with (
        on_stage(tmp_path / "one", shared, channels=channels) as here,
        on_stage(tmp_path / "two", shared, channels=channels) as there,
        there.talker() as other,
    ):
        await other.watch("news")
        async with here.ada() as ada:
            await ada.watch("news")
            await other.shown("news", "presence")
            async with stopping(here):
                assert await ada.closed() == 1012
        async with there.ada() as back:
            await back.watch("news")
            await other.result("news:post", body="a")
            await other.event("news")

            assert not [kept for kept in other.kept if kept["presence"]["left"]]


async def test_a_stop_under_uvicorn_leaves_nothing(tmp_path: Path, shared: tuple[str, str]) -> None:
    """That server closes the sockets itself, with a code upon which clients come back."""
    async with AsyncExitStack() as stack:
        async with on_stage(tmp_path, shared, "uvicorn") as live:
            desk = live.desk
            talkers = [await stack.enter_async_context(live.talker()) for _ in range(5)]
            for talker in talkers:
                await talker.answer(await talker.say(action="stream:endless"))

        codes = {await talker.closed() for talker in talkers}

    assert codes == {1012}
    assert not desk.clients
    assert not desk.tasks
