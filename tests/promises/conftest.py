"""Olympus on both engines, and a voice for each transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.testing.engines import ValkeyServer
from tests.olympus_databases import database_template, olympus_postgres, olympus_sqlite, olympus_url
from tests.olympus_stage import Olympus, olympus_on
from tests.promises.access_crowd import crowd
from tests.promises.voices import FILE_VOICES, VOICES, Voice

__all__ = ["crowd", "database_template", "olympus_postgres", "olympus_sqlite", "olympus_url"]


@pytest.fixture
async def olympus(tmp_path: Path, database_url: str, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Olympus]:
    """Olympus, once on SQLite and once on PostgreSQL."""
    async with olympus_on(tmp_path, database_url, valkey.url, store_prefix) as running:
        yield running


@pytest.fixture(params=VOICES)
def voice(olympus: Olympus, request: pytest.FixtureRequest) -> Voice:
    """Each transport in turn."""
    return VOICES[request.param](olympus)


@pytest.fixture
def voices(olympus: Olympus) -> dict[str, Voice]:
    """All transports of one application."""
    return {name: make(olympus) for name, make in VOICES.items()}


@pytest.fixture(params=FILE_VOICES)
def file_voice(olympus: Olympus, request: pytest.FixtureRequest) -> Voice:
    """Each transport over which files go."""
    return FILE_VOICES[request.param](olympus)


@pytest.fixture
def file_voices(olympus: Olympus) -> dict[str, Voice]:
    """All of them."""
    return {name: make(olympus) for name, make in FILE_VOICES.items()}
