"""Olympus on real engines, for the tests of the modules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.engines import ValkeyServer
from tests.olympus_databases import database_template, olympus_postgres, olympus_sqlite, olympus_url
from tests.olympus_stage import Olympus, olympus_on

__all__ = ["database_template", "olympus_postgres", "olympus_sqlite", "olympus_url"]


@pytest.fixture
async def olympus(tmp_path: Path, olympus_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Olympus]:
    """Olympus on SQLite."""
    async with olympus_on(tmp_path, olympus_url, valkey.url, store_prefix) as running:
        yield running


@pytest.fixture
async def olympus_anywhere(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus, once on SQLite and once on PostgreSQL."""
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix) as running:
        yield running
