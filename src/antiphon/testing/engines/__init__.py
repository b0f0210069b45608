"""Real servers for tests: on temporary folders, killed, paused and restarted at will, gone when the run ends."""

from __future__ import annotations

from antiphon.testing.engines.cluster import ValkeyCluster, ValkeyNode
from antiphon.testing.engines.postgres import PostgresDatabases, PostgresServer
from antiphon.testing.engines.valkey import ValkeyServer

__all__ = ["PostgresDatabases", "PostgresServer", "ValkeyCluster", "ValkeyNode", "ValkeyServer"]
