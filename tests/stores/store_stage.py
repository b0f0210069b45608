"""Stores on servers of the test's own, and how often they are spoken to."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from secrets import token_hex

import pytest
import pytest_asyncio

from antiphon.core.log import Logger, Silent
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyCluster, ValkeyServer

SOON = timedelta(seconds=0.2)


@asynccontextmanager
async def store_on(
    server: ValkeyServer | str, *, log: Logger | None = None, pool_size: int = 8, command_time: timedelta = SOON * 10
) -> AsyncGenerator[Store]:
    """A store on a server of the test's own."""
    url = server if isinstance(server, str) else server.url
    opened = Store(url, prefix="t", log=log or Silent(), pool_size=pool_size, command_time=command_time)
    try:
        yield opened
    finally:
        await opened.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[ValkeyCluster]:
    """Three nodes. Whoever kills one brings it back."""
    async with ValkeyCluster() as running:
        yield running


@pytest.fixture
async def clustered(cluster: ValkeyCluster) -> AsyncIterator[Store]:
    """A store on them."""
    opened = Store(cluster.url, prefix=f"test-{token_hex(4)}", log=Silent(), clustered=True)
    yield opened
    await opened.close()


class Ear:
    """Listens to the relay, and remembers what it has heard."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    def heard(self, message: bytes) -> None:
        """Remember it."""
        self.messages.append(message)

    def missed(self) -> None:
        """Nothing here minds."""


async def arrivals(store: Store) -> int:
    """How often anything has arrived at the server so far: between two askings the trips, and one for the asking."""
    stats = await store.client.execute_command("INFO", "stats")
    return int(stats["total_reads_processed"])


async def trips_since(store: Store, before: int) -> int:
    """The trips to the server since `arrivals` gave this, the asking itself not counted."""
    return await arrivals(store) - before - 1
