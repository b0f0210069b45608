"""What the tour runs on: nothing is opened that a small application does not ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from antiphon import App
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from tests.tour.start import Run


@pytest.fixture
async def run(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Run]:
    """What starts an application for the rest of the test, on the settings of the run."""
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with AsyncExitStack() as stack:

        async def start(app: App, **settings: str) -> TestApp:
            return await stack.enter_async_context(TestApp.start(app, tmp_path, {**environ, **settings}))

        yield start
