"""Events that could not be sent: their watchers learn of it, also when the process that knew has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData, text

from antiphon import NAMES, Database, Schema, channels_metadata
from antiphon.core.clock import SystemClock
from antiphon.services.channels.kept import KeptLosses, Loss
from antiphon.services.channels.messages import topic_keys
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, node, place, post, ring, type_something, user
from tests.services.database_stage import ONLY_SQLITE

METADATA = MetaData(naming_convention=NAMES)
for table in channels_metadata.tables.values():
    table.to_metadata(METADATA)

SCHEMA = Schema(METADATA, Path(__file__).with_name("channel_migrations"))

BOARD = Loss(topic_keys("", "board"), "firstloss", 60_000)


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    """A Valkey of the test's own, that keeps its data."""
    async with ValkeyServer(arguments=["--appendfsync", "always"]) as running:
        yield running


BRIEF = {"CHANNELS_PUBLISH_TIME": "300ms"}
"""For a node that publishes while the store is away. What has to arrive has time, however busy the machine is."""


class Nodes:
    """Nodes of one application, on one store and one database."""

    def __init__(self, store_url: str, database_url: str) -> None:
        self._store_url = store_url
        self._environ = {
            **QUICK,
            "DATABASE_URL": database_url,
            "DATABASE_CONNECT_TIME": "10s",
            "DATABASE_WAIT": "10s",
            "REDIS_COMMAND_TIME": "5s",
            "CHANNELS_PUBLISH_TIME": "5s",
            "CHANNELS_KEEP_TIME": "10s",
            "CHANNELS_LOSSES_TIME": "100ms",
            "CHANNELS_LEASE_TIME": "20s",
            "CHANNELS_RENEW_TIME": "5s",
            "CHANNELS_LINGER_TIME": "20s",
            "RELAY_FIRST_WAIT": "10ms",
            "RELAY_MOST_WAIT": "100ms",
        }

    @asynccontextmanager
    async def command(self, **settings: str) -> AsyncGenerator[Node]:
        """A node as the command line is one: open, and without work of its own."""
        async with node(self._store_url, "t", {**self._environ, **BRIEF, **settings}, values=[SCHEMA]) as here:
            yield here

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Node]:
        """A node that serves."""
        async with node(self._store_url, "t", self._environ, values=[SCHEMA]) as here:
            await here.channels.begin(here.runtime)
            yield here


@pytest.fixture
def nodes(server: ValkeyServer, database_url: str) -> Nodes:
    """Nodes on both engines, one after the other."""
    return Nodes(server.url, database_url)


def kept_of(on: Node) -> KeptLosses:
    """What a node keeps in its database."""
    return KeptLosses(on.runtime.require(Database, "the test"), SystemClock())


async def watching(on: Node, topic: str = "board") -> Screen:
    """Somebody who watches."""
    screen = on.screen("ada")
    await screen.watch(topic)
    return screen


async def told(on: Node) -> None:
    """Wait until no loss is left."""

    async def nothing_left() -> bool:
        return await kept_of(on).read(1) == []

    await wait_until(nothing_left, "a loss was never told")


async def test_who_has_ended_is_spoken_for(server: ValkeyServer, nodes: Nodes) -> None:
    """A command publishes while the store is away, and ends: who serves tells the watchers, once."""
    async with nodes.serving() as there, nodes.serving():
        screen = await watching(there)
        await there.post("before")
        await screen.sees("before")
        await server.kill()
        async with nodes.command() as here:
            await here.post("lost")
            assert here.channels.losses.events == 1
        await server.start()

        reset = await screen.shown("reset")
        await told(there)
        await there.post("after")
        await screen.sees("before", "after")
        assert screen.of("reset") == [reset]


async def test_a_topic_without_a_log_is_told_too(nodes: Nodes) -> None:
    """Its watchers load their state again, once for each loss."""
    bell = Loss(topic_keys("", "bell"), "firstloss", 60_000)
    async with nodes.serving() as there:
        screen = await watching(there, "bell")
        for _ in range(2):
            await kept_of(there).keep([bell])
            await told(there)

        await screen.shown("reset")
        await there.run(ring, times=1)
        await screen.shown("event")
        assert len(screen.of("reset")) == 1


async def test_an_ephemeral_event_is_missed_by_nobody(server: ValkeyServer, nodes: Nodes) -> None:
    """It is counted; nobody has to load anything again because somebody types."""
    async with nodes.command() as here:
        await server.kill()
        await here.run(type_something)

        assert (here.channels.losses.events, len(here.channels.losses)) == (1, 0)
        assert await kept_of(here).read(1) == []
        await server.start()


async def test_a_client_that_comes_back_later_learns_it_too(server: ValkeyServer, nodes: Nodes) -> None:
    """Nobody served meanwhile: the first node that does renews the log, and an old place recovers nothing."""
    async with nodes.command() as here:
        screen = here.screen("ada")
        old = place(await screen.watch("board"))
        screen.lose()
        await server.kill()
        await here.post("lost")
    await server.start()

    async with nodes.serving() as there:
        await told(there)
        answer = await there.screen("ada").watch("board", old)
        assert (answer["recovered"], answer["reason"]) == (False, "epoch")


async def test_losses_of_many_calls_are_all_kept(server: ValkeyServer, nodes: Nodes) -> None:
    """They are written together, and each call waits until its own is."""
    tenants = [f"tenant-{number}" for number in range(40)]
    async with nodes.command() as here:
        await server.kill()

        await asyncio.gather(*(here.run(post, body="lost", caller=user("ada", tenant_id=each)) for each in tenants))

        kept = await kept_of(here).read(100)
        assert {loss.keys for loss in kept} == {topic_keys(each, "board") for each in tenants}
        await server.start()


async def test_telling_twice_is_telling_once(server: ValkeyServer, nodes: Nodes) -> None:
    """Whoever lost the event and whoever found it in the database may both tell: watchers are reset once."""
    async with nodes.command() as here, nodes.command() as there:
        screen = await watching(there)
        await kept_of(there).keep([BOARD])
        await here.channels.begin(here.runtime)
        reset = await screen.shown("reset")
        await told(there)
        await there.post("after")
        await screen.sees("after")

        await kept_of(there).keep([BOARD])
        await told(there)

        await there.post("later")
        await screen.sees("after", "later")
        assert screen.of("reset") == [reset]
        assert reset["epoch"] == BOARD.epoch


async def test_a_newer_loss_outlives_the_telling_of_an_older(nodes: Nodes) -> None:
    """What was lost after the telling has not been told."""
    newer = BOARD._replace(epoch="secondloss")
    async with nodes.command() as here:
        kept = kept_of(here)
        await kept.keep([BOARD])
        await kept.keep([newer])
        await kept.forget([BOARD])

        assert await kept.read(10) == [newer]
        await kept.forget([newer])
        assert await kept.read(10) == []


async def test_losses_are_read_in_pieces(nodes: Nodes) -> None:
    """However many there are: in the order of their topics, so that one can go on behind the last."""
    losses = [Loss(topic_keys("", f"room:{number}"), "e", 60_000) for number in range(5)]
    async with nodes.command() as here:
        await kept_of(here).keep([*reversed(losses)])

        first = await kept_of(here).read(2)
        assert (first, await kept_of(here).read(9, after=first[-1].keys.name)) == (losses[:2], losses[2:])


async def test_a_topic_that_cannot_be_told_keeps_no_other_untold(nodes: Nodes) -> None:
    """Its row stays, for whoever can tell it."""
    bad, good = (Loss(topic_keys("", f"room:{number}"), "e", 60_000) for number in (1, 2))
    async with nodes.command() as here:
        store = here.runtime.require(Store, "the test")
        await store.client.execute_command("SET", store.key(bad.keys.log[0]), "no head", "EX", 60)
        await kept_of(here).keep([bad, good])
        await here.channels.begin(here.runtime)

        async def good_is_told() -> bool:
            return await kept_of(here).read(9) == [bad]

        await wait_until(good_is_told, "the second topic was never told")


@ONLY_SQLITE
async def test_a_loss_that_cannot_be_kept_is_told_by_whoever_lost_it(server: ValkeyServer, nodes: Nodes) -> None:
    """The call has succeeded all the same, and while the process lives it knows."""
    async with nodes.serving() as here:
        screen = await watching(here)
        async with here.runtime.require(Database, "the test").transaction(write=True) as work:
            await work.unscoped("the test").execute(text("DROP TABLE channel_losses"))
        await server.kill()
        await here.post("lost")
        await server.start()

        await screen.shown("reset")


async def test_a_database_that_hangs_delays_a_call_for_a_bounded_time(server: ValkeyServer, nodes: Nodes) -> None:
    """What it did not take in time is written as soon as it does, while the store is still away."""
    async with nodes.command() as holder, nodes.command(CHANNELS_KEEP_TIME="500ms") as here:
        await server.kill()
        async with holder.runtime.require(Database, "the test").transaction(write=True) as work:
            hold = "DELETE FROM channel_losses" if work.engine == "sqlite" else "LOCK TABLE channel_losses"
            await work.unscoped("the test").execute(text(hold))
            await here.post("lost")

        async def is_kept() -> bool:
            return [loss.keys for loss in await kept_of(here).read(10)] == [BOARD.keys]

        await wait_until(is_kept, "what the database did not take was forgotten", within=20.0)
        await server.start()
