"""A browser and Olympus, for the tests of its pages."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

from tests.olympus_databases import olympus_sqlite, olympus_url
from tests.olympus_served import olympus_served

__all__ = ["olympus_served", "olympus_sqlite", "olympus_url"]

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
