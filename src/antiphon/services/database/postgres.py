"""PostgreSQL over asyncpg: connections whose transactions open with all their terms in one round trip.

    round trip              when
    BEGIN [READ ONLY]       with the first statement; `; SET LOCAL statement_timeout` rides in it when the call is short
    prepare                 once per statement and connection
    bind and execute        every statement
    SET LOCAL …             only when the call has so little left that the server would answer after the driver gave up
    COMMIT, ROLLBACK        at the end

The server's ordinary time limit is part of the start-up message, so it costs nothing. A connection's return to the
pool costs nothing either: SQLAlchemy resets only what is still in a transaction, where asyncpg's own pool always asks.
"""

from __future__ import annotations

from typing import Any, cast

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from antiphon.services.database.driver import Engines, Limits, Terms

CLOSE_SECONDS = 1.0
"""How long saying goodbye to a server may take."""


class PostgresConnection(asyncpg.Connection):
    """A connection that remembers how its next transaction opens, and what time limit the server has been told."""

    __slots__ = ("_opening", "_ordinary", "_told")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opening = "BEGIN"
        self._ordinary = self._told = float(self.get_settings().statement_timeout or 0) if False else 0.0

    def begin(self, *, write: bool, limits: Limits) -> None:
        """Say how the next transaction opens."""
