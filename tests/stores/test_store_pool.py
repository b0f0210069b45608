"""The connections of a store: bounded, and given out in the order in which callers came."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.core.errors import Unavailable
from antiphon.testing.engines import ValkeyServer
from tests.stores.store_stage import SOON, store_on


async def test_more_callers_than_connections_wait_their_turn() -> None:
    """The pool is bounded and nobody is refused while the store is quick."""
    async with ValkeyServer() as server, store_on(server, pool_size=2) as store:
        await asyncio.gather(*(store.client.incr("t:count") for _ in range(200)))

        clients = (await store.client.execute_command("CLIENT", "LIST")).splitlines()

        assert await store.client.get("t:count") == b"200"
        assert len(clients) <= 2


async def test_whoever_waits_longest_for_a_connection_is_next() -> None:
    """Nobody is passed for ever by callers who come back at once: all of them get on alike."""
    done = [0] * 20
    async with ValkeyServer() as server, store_on(server, pool_size=2) as store:

        async def come_back(number: int) -> None:
            while max(done) < 100:
                await store.client.ping()
                done[number] += 1

        await asyncio.gather(*map(come_back, range(20)))

    assert min(done) >= 90


async def test_a_caller_who_leaves_the_line_takes_no_connection_along() -> None:
    """Whoever is cancelled while waiting, even at the moment of being given one, leaves it to the next."""
    async with ValkeyServer() as server, store_on(server, pool_size=1) as store:
        for turns in range(12):
            callers = [asyncio.create_task(store.client.ping()) for _ in range(3)]
            for _ in range(turns):
                await asyncio.sleep(0)
            callers[1].cancel()
            await asyncio.gather(*callers, return_exceptions=True)

        assert await store.client.ping()


async def test_waiting_for_a_connection_is_part_of_the_time() -> None:
    """When all connections are busy for too long, the next caller is told Unavailable."""
    async with ValkeyServer() as server, store_on(server, command_time=SOON, pool_size=1) as store:
        busy = asyncio.create_task(store.client.execute_command("BLPOP", "t:never", 0))
        await asyncio.sleep(0)

        with pytest.raises(Unavailable):
            await store.client.ping()

        with pytest.raises(Unavailable):
            await busy
        assert await store.client.ping()
