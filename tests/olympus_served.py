"""Olympus as it is served, for tests of clients and pages: every transport, on SQLite, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from olympus.app import app


@pytest.fixture
async def olympus_served(
    tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[TestApp]:
    """A running Olympus that listens."""
    environ = {
        "DATABASE_URL": olympus_url,
        "REDIS_URL": valkey.url,
        "REDIS_PREFIX": store_prefix,
        # A minute that ends during a test must not post a greeting into it.
        "WORKER_SCHEDULES": "false",
    }
    async with TestApp.start(app, tmp_path, environ) as running:
        yield running
