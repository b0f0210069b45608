"""Applications for the tests of transports: served over HTTP, and to try the command line on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from tests.transports.cli_actions import app
from tests.transports.serving import WAYS, Served, Way, serving
from tests.transports.websocket_stage import SERVERS, Server, Stage, on_stage


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


@pytest.fixture
def shared(valkey: ValkeyServer, store_prefix: str) -> tuple[str, str]:
    """The store of a test: where it is, and what its keys begin with."""
    return valkey.url, store_prefix


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each of the servers that sockets come through."""
    return request.param


@pytest.fixture
async def live(tmp_path: Path, shared: tuple[str, str]) -> AsyncIterator[Stage]:
    """The surface with channels on its default settings, on our own server."""
    async with on_stage(tmp_path, shared) as running:
        yield running


@pytest.fixture
async def live_anyhow(tmp_path: Path, shared: tuple[str, str], server: Server) -> AsyncIterator[Stage]:
    """The same, on each server."""
    async with on_stage(tmp_path, shared, server) as running:
        yield running
