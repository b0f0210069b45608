"""The store goes away, hangs, comes back and forgets: calls go on, and no watcher believes that it saw everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from antiphon.core.errors import Unavailable
from antiphon.core.health import Health
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, board, node, post, ring, user

LONG = 20.0
"""Seconds that prove by far that somebody did not wait for the store."""

AWAY = {
    **QUICK,
    "REDIS_COMMAND_TIME": "200ms",
    "CHANNELS_PUBLISH_TIME": "300ms",
    "CHANNELS_LEASE_TIME": "20s",
    "CHANNELS_RENEW_TIME": "5s",
    "CHANNELS_LINGER_TIME": "20s",
    "RELAY_PING_TIME": "100ms",
    "RELAY_FIRST_WAIT": "10ms",
    "RELAY_MOST_WAIT": "100ms",
}

PATIENT = {**AWAY, "REDIS_COMMAND_TIME": "5s", "CHANNELS_PUBLISH_TIME": "5s"}
"""For a store that comes back: however busy the machine is, nothing is given up."""


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    """A Valkey of the test's own, that keeps its data."""
    async with ValkeyServer(arguments=["--appendfsync", "always"]) as running:
        yield running


async def watching(on: Node, topic: str = "board", name: str = "ada") -> Screen:
    """Somebody who watches."""
    screen = on.screen(name)
    await screen.watch(topic)
    return screen


async def test_a_restart_of_the_store_loses_nothing(server: ValkeyServer) -> None:
    """What was published before it and after it is shown once, in order, and no reset is needed."""
    async with node(server.url, "t", PATIENT) as here, node(server.url, "t", PATIENT) as there:
        screen = await watching(there)
        await here.post("before")
        await screen.sees("before")

        await server.restart()
        await here.post("after")

        await screen.sees("before", "after")
        assert screen.of("reset") == []


async def test_what_one_node_published_while_the_other_was_cut_off_is_filled_in(server: ValkeyServer) -> None:
    """Pub/sub forgets whom it cannot reach; the log does not."""
    async with node(server.url, "t", AWAY) as here, node(server.url, "t", AWAY) as there:
        screen = await watching(there)
        store = here.runtime.require(Store, "the test")
        await store.client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await here.post("a", "b", "c")

        await screen.sees("a", "b", "c")
        assert screen.offsets == [1, 2, 3]


async def test_a_call_does_not_fail_with_the_store(server: ValkeyServer) -> None:
    """The event is tried for its time, then given up and counted; the call has succeeded."""
    async with node(server.url, "t", AWAY) as here:
        await server.kill()
        began = monotonic()

        await here.post("lost")

        assert monotonic() - began < LONG
        assert here.channels.losses.events == 1


async def test_a_cancelled_call_does_not_take_its_event_with_it(server: ValkeyServer) -> None:
    """It had succeeded when it was cancelled: what it published is sent, or told to be missing, all the same."""
    async with node(server.url, "t", PATIENT) as here:
        screen = await watching(here)
        server.pause()
        call = asyncio.create_task(here.post("still shown"))
        await wait_until(lambda: here.channels.sender.sending, "it never came to publishing")

        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        server.resume()

        await screen.sees("still shown", within=LONG)


async def test_a_stop_waits_for_what_is_being_sent(server: ValkeyServer) -> None:
    """For its time: then it is given up and counted, and nothing is left running."""
    async with node(server.url, "t", AWAY) as here:
        await server.kill()
        call = asyncio.create_task(here.post("lost"))
        await wait_until(lambda: here.channels.sender.sending, "it never came to publishing")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert here.channels.losses.events == 1


async def test_a_lost_event_is_told_as_soon_as_the_store_answers(server: ValkeyServer) -> None:
    """The epoch is renewed, so every watcher learns that it missed something, and later events are seen."""
    async with node(server.url, "t", AWAY) as here, node(server.url, "t", AWAY) as there:
        screen = await watching(there)
        await here.post("before")
        await screen.sees("before")
        epoch = next(iter(there.hub.feeds.values())).place
        await server.kill()
        await here.post("lost")
        await server.start()

        reset = await screen.shown("reset")
        assert epoch is not None
        assert reset["epoch"] != epoch.epoch
        await here.post("after")
        await wait_until(lambda: screen.bodies == ["before", "after"], f"what came after was {screen.bodies}")


async def test_a_lost_event_without_a_log_is_told_too(server: ValkeyServer) -> None:
    """Watchers of a topic that keeps nothing load their state again."""
    async with node(server.url, "t", AWAY) as here:
        screen = await watching(here, "bell")
        await server.kill()
        await here.run(ring, times=1)
        await server.start()

        await screen.shown("reset")
        await here.run(ring, times=2)
        await screen.shown("event")


async def test_a_store_that_hangs_is_a_gap_and_not_an_end(server: ValkeyServer) -> None:
    """Publishing gives up in time; when the store goes on, watchers are reset or shown everything, and go on."""
    async with node(server.url, "t", AWAY) as here:
        screen = await watching(here)
        await here.post("before")
        await screen.sees("before")

        server.pause()
        await here.post("hung")
        await wait_until(lambda: here.relay.deaf, "the relay never noticed")
        down = await here.relay.check_health()
        server.resume()

        await wait_until(lambda: not here.relay.deaf, "the relay never heard again")
        await screen.shown("reset")
        await here.post("after")
        await wait_until(lambda: screen.bodies[-1] == "after", "nothing came after it")
        assert down is Health.DOWN
        assert here.relay in here.runtime.health_checks()


async def test_a_store_that_forgot_everything_begins_anew(server: ValkeyServer) -> None:
    """Watchers are reset without anybody publishing, and positions of before recover nothing."""
    async with ValkeyServer(persistent=False) as forgetful, node(forgetful.url, "t", AWAY) as here:
        screen = await watching(here)
        await here.post("before")
        await screen.sees("before")
        place = next(iter(here.hub.feeds.values())).place

        await forgetful.restart()

        await screen.shown("reset")
        answer = await here.screen("eve").watch("board", place)
        assert answer["recovered"] is False
        await here.post("after")
        await screen.sees("before", "after")


async def test_subscribing_without_a_store_is_unavailable_and_leaves_nothing(server: ValkeyServer) -> None:
    """The client comes again; the node keeps no half of it."""
    async with node(server.url, "t", AWAY) as here:
        await server.kill()
        screen = here.screen()

        with pytest.raises(Unavailable):
            await screen.watch("board")

        assert not screen.watches
        await server.start()
        await wait_until(lambda: _watches(screen), "it never worked again", within=10.0)
        await here.post("hi")
        await screen.sees("hi")


async def _watches(screen: Screen) -> bool:
    try:
        await screen.watch("board")
    except Unavailable:
        return False
    return True


async def test_a_position_without_a_store_is_unavailable(server: ValkeyServer) -> None:
    """A list that cannot name its place must not pretend to."""
    async with node(server.url, "t", AWAY) as here:
        ctx = here.context("messages:list", user("ada"))
        await server.kill()

        with pytest.raises(Unavailable):
            await board().position(ctx)


async def test_what_is_remembered_of_a_loss_is_bounded(server: ValkeyServer) -> None:
    """However many topics lose events, so many are told at most."""
    async with node(server.url, "t", {**AWAY, "CHANNELS_LOST": "2", "CHANNELS_PUBLISH_TIME": "50ms"}) as here:
        await server.kill()

        for tenant in ("a", "b", "c", "d"):
            await here.run(post, body="lost", caller=user("ada", tenant_id=tenant))

        assert here.channels.losses.events == 4
        assert len(here.channels.losses) == 2
