"""Commands of one moment in one trip: joined on the way, and alone in what becomes of them."""

from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import ResponseError

from antiphon import Unavailable
from antiphon.stores.base import Store
from antiphon.stores.script import Script
from antiphon.testing.engines import ValkeyServer
from tests.stores.store_stage import arrivals, store_on, trips_since

ECHO = Script("echo", "return {KEYS[1], ARGV[1]}")
CROWD = 300


async def test_what_is_asked_at_one_moment_takes_one_trip(store: Store) -> None:
    """A hash and two scripts, asked for by three who know nothing of each other, reach the server as one."""
    await store.trips.run(ECHO, [store.key("{a}")], ["warm"])
    before = await arrivals(store)

    held, one, other = await asyncio.gather(
        store.trips.hmget(store.key("{h}"), ["x", "y"]),
        store.trips.run(ECHO, [store.key("{a}")], ["1"]),
        store.trips.run(ECHO, [store.key("{b}")], ["2"]),
    )

    assert await trips_since(store, before) == 1
    assert held == [None, None]
    assert (one[1], other[1]) == (b"1", b"2")


async def test_a_crowd_takes_few_trips(store: Store) -> None:
    """Each of many who ask at the same moment gets their own answer, and together they need a handful of trips."""
    await store.trips.run(ECHO, [store.key("{a}")], ["warm"])
    before = await arrivals(store)

    answers = await asyncio.gather(*(store.trips.run(ECHO, [store.key("{a}")], [n]) for n in range(CROWD)))

    assert [int(answer[1]) for answer in answers] == [*range(CROWD)]
    # A trip longer than the server's reading buffer arrives in several pieces.
    assert await trips_since(store, before) <= CROWD / 10


async def test_a_command_that_fails_fails_alone(store: Store) -> None:
    """What the server does not like about one command is the answer to that one only."""
    await store.client.set(store.key("{t}"), "no hash", px=60_000)

    wrong, right = await asyncio.gather(
        store.trips.hmget(store.key("{t}"), ["x"]),
        store.trips.run(ECHO, [store.key("{a}")], ["1"]),
        return_exceptions=True,
    )

    assert isinstance(wrong, ResponseError)
    assert right[1] == b"1"  # pyright: ignore[reportIndexIssue]  # gather says what it may be


async def test_who_gives_up_takes_nothing_from_the_others(store: Store) -> None:
    """A call that is cancelled while it waits leaves the trip under way for those who share it."""
    leaves = asyncio.ensure_future(store.trips.hmget(store.key("{h}"), ["x"]))
    stays = asyncio.ensure_future(store.trips.run(ECHO, [store.key("{a}")], ["1"]))
    await asyncio.sleep(0)

    leaves.cancel()

    assert (await stays)[1] == b"1"


async def test_scripts_that_the_server_has_forgotten_are_sent_again() -> None:
    """After a restart the server knows no script, and whoever asks gets an answer all the same."""
    async with ValkeyServer(persistent=False) as server, store_on(server) as store:
        await store.trips.run(ECHO, [store.key("{a}")], ["1"])
        await store.client.execute_command("SCRIPT", "FLUSH")

        assert (await store.trips.run(ECHO, [store.key("{a}")], ["2"]))[1] == b"2"


async def test_a_store_that_is_away_is_unavailable_to_each() -> None:
    """Everybody on the trip is told so, each with an error of their own, and the next trip finds the store again."""
    async with ValkeyServer(persistent=False) as server, store_on(server) as store:
        await server.kill()

        told = await asyncio.gather(
            store.trips.hmget(store.key("{h}"), ["x"]),
            store.trips.run(ECHO, [store.key("{a}")], ["1"]),
            return_exceptions=True,
        )

        assert [type(error) for error in told] == [Unavailable, Unavailable]
        assert told[0] is not told[1]
        await server.start()
        assert await store.trips.hmget(store.key("{h}"), ["x"]) == [None]


async def test_a_full_store_refuses_writes_as_unavailable() -> None:
    """A server that takes no writes now says so through a joined trip as it does through a command of its own."""
    async with ValkeyServer(persistent=False) as server, store_on(server) as store:
        await store.client.execute_command("CONFIG", "SET", "maxmemory", "1")
        write = Script("write", "return redis.call('SET', KEYS[1], '1', 'PX', 1000)")

        with pytest.raises(Unavailable):
            await store.trips.run(write, [store.key("{a}")])
