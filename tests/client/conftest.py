"""Olympus, for the tests of what clients do with a real server."""

from __future__ import annotations

from tests.olympus_databases import olympus_sqlite, olympus_url
from tests.olympus_served import olympus_served

__all__ = ["olympus_served", "olympus_sqlite", "olympus_url"]
