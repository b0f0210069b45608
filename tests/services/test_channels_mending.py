"""What is heard while a topic is read again belongs to what is read next: nothing of it is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Literal

import pytest

from antiphon.core.channel import AnyChannel, Position
from antiphon.services.channels.feed import Feed
from antiphon.services.channels.frames import Frame
from antiphon.services.channels.log import Answer, Logs
from antiphon.services.channels.messages import PresenceTold, TopicKeys
from antiphon.services.channels.presence import Presence
from antiphon.services.channels.roster import Roster
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, node
from tests.stores.store_stage import Ear

type Part = Literal["log", "list"]

SELDOM = {**QUICK, "CHANNELS_COMPARE_TIME": "10m"}
"""No look at the store mends what a node has forgotten."""


@pytest.fixture
async def nodes(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[tuple[Node, Node]]:
    """Two nodes that compare too seldom to matter."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(node(valkey.url, store_prefix, SELDOM))
        yield first, await stack.enter_async_context(node(valkey.url, store_prefix, SELDOM))


class Gate:
    """Holds what comes through it until it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()

    async def through(self) -> None:
        """Wait at it."""
        self.reached.set()
        await self.let_go.wait()


class SlowLogs(Logs):
    """The logs of a hub, whose answers come from the store and then wait at a gate."""

    def __init__(self, real: Logs, gate: Gate) -> None:
        vars(self).update(vars(real))
        self.gate = gate

    async def read(
        self, keys: TopicKeys, channel: AnyChannel, since: Position | None, *, trusted: bool = False
    ) -> Answer:
        answer = await super().read(keys, channel, since, trusted=trusted)
        await self.gate.through()
        return answer


class SlowPresence(Presence):
    """The same for who is there."""

    def __init__(self, real: Presence, gate: Gate) -> None:
        vars(self).update(vars(real))
        self.gate = gate

    async def read(self, feed: Feed) -> Frame | None:
        frame = await super().read(feed)
        await self.gate.through()
        return frame


async def mending(on: Node, part: Part) -> tuple[Screen, Feed, Ear, Gate]:
    """Somebody who watches the board while it mends and this part of it has its answer from the store."""
    screen = on.screen("ada")
    await screen.watch("board")
    hub, ear, gate = on.hub, Ear(), Gate()
    feed = next(iter(hub.feeds.values()))
    await on.relay.listen(hub.logs.name(feed.keys), ear)
    if part == "log":
        hub.logs = SlowLogs(hub.logs, gate)
    else:
        hub.presence = SlowPresence(hub.presence, gate)
    feed.missed()
    await gate.reached.wait()
    return screen, feed, ear, gate


async def mended(feed: Feed) -> None:
    """Wait until it mends no longer: then nothing is left to be read."""
    await wait_until(lambda: not feed.mending, "it mends for ever")
    assert not feed.behind


@pytest.mark.parametrize("part", ["log", "list"])
async def test_an_event_meanwhile_is_shown(nodes: tuple[Node, Node], part: Part) -> None:
    """It is in the log, which is read again for it if it was read before."""
    here, there = nodes
    screen, feed, ear, gate = await mending(there, part)

    await here.post("meanwhile")
    await wait_until(lambda: ear.messages, "the event was not heard")
    gate.let_go.set()

    await screen.sees("meanwhile")
    await mended(feed)


@pytest.mark.parametrize("part", ["log", "list"])
async def test_a_log_that_begins_anew_meanwhile_is_told(nodes: tuple[Node, Node], part: Part) -> None:
    """Whoever watches may have missed something, whenever that becomes known."""
    here, there = nodes
    await here.post("before")
    screen, feed, ear, gate = await mending(there, part)

    await here.hub.logs.renew(feed.keys, "another", here.hub.logs.head_life(feed.channel))
    await wait_until(lambda: ear.messages, "the renewal was not heard")
    gate.let_go.set()

    assert (await screen.shown("reset"))["offset"] == 0
    await mended(feed)


def told(version: int) -> PresenceTold:
    """Somebody came, and the list has this version since."""
    return PresenceTold(version, b"j", "n1", b'{"id":"u%d","name":"","since":""}' % version)


def test_a_list_is_behind_until_what_was_missed_or_heard_meanwhile_was_read() -> None:
    """A loss or a hole that shows while the list is read is not settled by what was read before it."""
    roster = Roster("board", 10)
    assert roster.behind
    roster.looks()
    roster.stale = True
    roster.read(5, [], [])
    assert roster.behind

    roster.looks()
    roster.read(5, [], [])
    assert not roster.behind

    roster.heard(told(8))
    assert roster.behind
    roster.looks()
    roster.heard(told(9))
    roster.read(8, [], [])
    assert roster.behind

    roster.looks()
    roster.read(9, [], [])
    assert not roster.behind
    roster.heard(told(10))
    assert not roster.behind
    assert [*roster.members] == ["u10"]
