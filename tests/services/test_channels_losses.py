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
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.channel_stage import QUICK, Node, Screen, node, place, post, ring, user
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


class Nodes:
    """Nodes of one application, on one store and one database."""

    def __init__(self, store_url: str, database_url: str) -> None:
        self._store_url = store_url
        self._environ = {
            **QUICK,
            "DATABASE_URL": database_url,
            "DATABASE_CONNECT_TIME": "10s",
            "REDIS_COMMAND_TIME": "200ms",
            "CHANNELS_PUBLISH_TIME": "300ms",
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
        async with node(self._store_url, "t", {**self._environ, **settings}, values=[SCHEMA]) as here:
            yield here

    @asynccontextmanager
    async def serving(self) -> AsyncGenerator[Node]:
        """A node that serves."""
        async with self.command() as here:
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


async def test_a_topic_without_a_log_is_spoken_for_too(server: ValkeyServer, nodes: Nodes) -> None:
    """Its watchers load their state again."""
    async with nodes.serving() as there:
        screen = await watching(there, "bell")
        await server.kill()
        async with nodes.command() as here:
            await here.run(ring, times=1)
        # The relay of the watching node was cut as well, for which there is a reset of its own.
        await server.start()
        await screen.shown("reset")
        await told(there)

        await there.run(ring, times=2)
        await screen.shown("event")


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


async def test_the_oldest_losses_come_first_and_so_many_at_once(nodes: Nodes) -> None:
    """However many there are, they are read in pieces."""
    losses = [Loss(topic_keys("", f"room:{number}"), "e", 60_000) for number in range(5)]
    async with nodes.command() as here:
        for loss in reversed(losses):
            await kept_of(here).keep([loss])

        assert await kept_of(here).read(2) == [losses[4], losses[3]]


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
    """What it did not take in time is written with the next loss."""
    async with nodes.command() as holder, nodes.command(CHANNELS_KEEP_TIME="100ms") as here:
        await server.kill()
        async with holder.runtime.require(Database, "the test").transaction(write=True) as work:
            hold = "DELETE FROM channel_losses" if work.engine == "sqlite" else "LOCK TABLE channel_losses"
            await work.unscoped("the test").execute(text(hold))
            await here.run(post, body="lost", caller=user("ada", tenant_id="a"))
        assert await kept_of(here).read(10) == []

        async def both_are_kept() -> bool:
            await here.run(post, body="lost", caller=user("ada", tenant_id="b"))
            kept = await kept_of(here).read(10)
            return {loss.keys for loss in kept} == {topic_keys("a", "board"), topic_keys("b", "board")}

        await wait_until(both_are_kept, "what the database did not take was forgotten", within=20.0)
        await server.start()
