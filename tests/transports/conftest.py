"""Applications for the tests of transports: served over HTTP, and to try the command line on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from tests.transports.cli_actions import app
from tests.transports.serving import WAYS, Served, Way, serving


@pytest.fixture
async def words(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """The application of the command line, started without listening; it has no database."""
    environ = {"REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    async with TestApp.start(app, tmp_path, environ, listen=False) as running:
        yield running


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """The surface on its default settings, behind our own listener."""
    async with serving(tmp_path) as running:
        yield running


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each of the ways in which an application is served."""
    return request.param


@pytest.fixture
async def served_anyhow(tmp_path: Path, way: Way) -> AsyncIterator[Served]:
    """The surface on its default settings, served in each way."""
    async with serving(tmp_path, way=way) as running:
        yield running
