"""Olympus on real engines, for the tests of the modules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copyfile

import pytest

from antiphon.testing.engines import ValkeyServer
from tests.olympus_databases import database_template, olympus_postgres, olympus_sqlite
from tests.olympus_stage import Olympus, olympus_on

__all__ = ["database_template", "olympus_postgres", "olympus_sqlite"]


@pytest.fixture
async def olympus(
    tmp_path: Path, olympus_sqlite: Path, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus on SQLite."""
    copyfile(olympus_sqlite, tmp_path / "test.db")
    async with olympus_on(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", valkey.url, store_prefix) as running:
        yield running


@pytest.fixture
async def olympus_anywhere(
    tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[Olympus]:
    """Olympus, once on SQLite and once on PostgreSQL."""
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix) as running:
        yield running
