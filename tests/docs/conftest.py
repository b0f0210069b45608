"""A migrated Olympus for the pages whose code needs its tables."""

from __future__ import annotations

from tests.olympus_databases import olympus_sqlite, olympus_url

__all__ = ["olympus_sqlite", "olympus_url"]
