"""Bounds of channels: each is crossed once, and the answer says what is too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from antiphon.core.errors import Conflict, SetupError, TooLarge, Unavailable
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, node


@pytest.fixture
async def nodes(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes of one application."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        second = await stack.enter_async_context(node(valkey.url, store_prefix, QUICK))
        yield first, second


async def test_an_event_over_its_size_is_refused_while_the_call_runs(nodes: tuple[Node, Node]) -> None:
    """32 KiB go, and not one byte more; the action may still do something else."""
    here, _ = nodes
    screen = here.screen()
    await screen.watch("board")
    room_for = 32_768 - len(b'{"event":"Posted","data":{"body":""}}')

    await here.post("x" * room_for)
    with pytest.raises(TooLarge):
        await here.post("x" * (room_for + 1))

    await screen.sees("x" * room_for)


async def test_the_bound_of_topics_is_kept(valkey: ValkeyServer, store_prefix: str) -> None:
    """One topic too many is a Conflict; a repeat is free."""
    async with node(valkey.url, store_prefix, {**QUICK, "CHANNELS_TOPICS": "2"}) as here:
        screen = here.screen()
        for number in (1, 2, 2):
            await screen.watch(f"room:{number}")

        with pytest.raises(Conflict, match="2 topics"):
            await screen.watch("room:3")
        screen.unwatch("room:1")
        await screen.watch("room:3")


async def test_the_bound_of_watchers_is_kept(valkey: ValkeyServer, store_prefix: str) -> None:
    """One watcher too many on a node is Unavailable, and is there when another has gone."""
    async with node(valkey.url, store_prefix, {**QUICK, "CHANNELS_WATCHERS": "2"}) as here:
        screens = [here.screen() for _ in range(3)]
        await screens[0].watch("bell")
        await screens[1].watch("bell")

        with pytest.raises(Unavailable):
            await screens[2].watch("bell")
        screens[0].lose()
        await screens[2].watch("bell")


async def test_what_is_held_back_is_bounded(valkey: ValkeyServer, store_prefix: str) -> None:
    """A reply that is never sent does not collect events for ever."""
    bounds = {**QUICK, "CHANNELS_HELD_BYTES": "1024", "CHANNELS_EVENT_BYTES": "512"}
    async with node(valkey.url, store_prefix, bounds) as here:
        slow, other = here.screen("ada"), here.screen("eve")
        await other.watch("board")
        watch = await here.channels.subscribe(slow.context(), "board", slow)

        await here.post(*("x" * 400 for _ in range(4)))
        await wait_until(lambda: len(other.bodies) == 4, "the other one waits")

        assert sum(len(frame.data) for _, frame in watch.held) <= 1024
        with pytest.raises(Unavailable):
            watch.check()


async def test_a_node_that_is_draining_takes_no_watchers(nodes: tuple[Node, Node]) -> None:
    """Those that are there go on until they are dropped."""
    here, there = nodes
    screen = here.screen()
    await screen.watch("board")

    here.channels.drain()
    await there.post("still")

    await screen.sees("still")
    with pytest.raises(Unavailable):
        await here.screen().watch("board")


WRONG = {
    "CHANNELS_LEASE_TIME": "15s",
    "CHANNELS_HELD_BYTES": "1024",
    "CHANNELS_LOOK_TIME": "0s",
    "CHANNELS_LOSSES_TIME": "0s",
    "CHANNELS_MISSED": "1001",
}


@pytest.mark.parametrize("name", WRONG)
async def test_settings_that_contradict_each_other_stop_the_start(
    valkey: ValkeyServer, store_prefix: str, name: str
) -> None:
    """The message names the setting."""
    with pytest.raises(SetupError, match=name.removeprefix("CHANNELS_").lower()):
        async with node(valkey.url, store_prefix, {name: WRONG[name]}):
            pass
