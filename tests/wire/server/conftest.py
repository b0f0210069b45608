"""The loops of these tests: uvloop, which serves; a dozen rows run on asyncio's own as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.wire.server.stage import Stage

type LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, LoopFactory]:
    """The loops by name; asyncio's own only for tests that ask for it."""
    factories: dict[str, LoopFactory] = {"uvloop": uvloop.new_event_loop}
    asked = item.get_closest_marker("asyncio")
    if asked is not None and "asyncio" in asked.kwargs.get("loop_factories", ()):
        factories["asyncio"] = asyncio.new_event_loop
    return factories


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """A listener with the default bounds; afterwards no connection, task or unclaimed defect may be left."""
    async with Stage() as running:
        yield running
