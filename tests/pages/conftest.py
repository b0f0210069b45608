"""A browser, Olympus, and a network between them that can be cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile

import pytest

from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from olympus.app import app
from tests.olympus_databases import olympus_sqlite

__all__ = ["olympus_sqlite"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOW = "The pages are tested in Chromium: `apt-get install chromium`, and `make lock` with the group `pages`."

collect_ignore_glob = [] if find_spec("playwright") or os.environ.get("CI") == "true" else ["test_*.py"]


def pytest_report_header() -> str | None:
    """Say it when the pages are left out."""
    return f"tests/pages are left out: there is no playwright. {HOW}" if collect_ignore_glob else None


@pytest.fixture
def chromium() -> str:
    """Where Chromium is. Without it the test is skipped, and fails in CI."""
    if CHROMIUM is None:
        if os.environ.get("CI") == "true":
            pytest.fail(HOW)
        pytest.skip(HOW)
    return CHROMIUM


@pytest.fixture
async def olympus(
    tmp_path: Path, olympus_sqlite: Path, valkey: ValkeyServer, store_prefix: str
) -> AsyncIterator[TestApp]:
    """Olympus as it is served."""
    copyfile(olympus_sqlite, tmp_path / "test.db")
    environ = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'test.db'}",
        "REDIS_URL": valkey.url,
        "REDIS_PREFIX": store_prefix,
    }
    async with TestApp.start(app, tmp_path, environ) as running:
        yield running
