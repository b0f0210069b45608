"""PostgreSQL over asyncpg: connections whose transactions open with all their terms in one round trip.

    round trip              when
    BEGIN [READ ONLY]       with the first statement; `SET LOCAL statement_timeout` rides in it when the call is short,
                            and with row security whose rows are in reach
    prepare                 once per statement and connection
    bind and execute        every statement
    SET LOCAL …             only when the call has so little left that the server would answer after the driver gave up
    COMMIT, ROLLBACK        at the end

The server's ordinary time limit is part of the start-up message and costs nothing. So does a connection's return to the
pool: SQLAlchemy resets only what is still in a transaction, where asyncpg's own pool always asks the server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]  # it ships none; used here only, as Any
from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from antiphon.services.database.driver import Engines, Limits, Terms

_asyncpg: Any = asyncpg
_Connection: Any = asyncpg.Connection

CLOSE_SECONDS = 0.5
"""How long a goodbye to the server may take, with the cancelling of what still runs there."""


class PostgresConnection(_Connection):
    """A connection that knows how its next transaction opens, and which time limit the server was told."""

    __slots__ = ("_opening", "_told", "made_at", "ordinary")

    def __init__(self, *args: Any) -> None:
        _Connection.__init__(self, *args)
        self.made_at = monotonic()
        self.ordinary = 0.0
        self._opening = "BEGIN"
        self._told = 0.0

    def begin(self, *, write: bool, limits: Limits, also: str = "") -> None:
        """Say how the next transaction opens."""
        opening = "BEGIN" if write else "BEGIN READ ONLY"
        self._told = self.ordinary
        if limits.server < self.ordinary:
            opening = f"{opening}; {self._tell(limits)}"
        self._opening = f"{opening}; {also}" if also else opening

    def allow(self, limits: Limits) -> str | None:
        """Give the next statement this long; the server hears of it only when it would answer too late."""
        return self._tell(limits) if self._told > limits.driver else None

    def patience(self, limits: Limits) -> float:
        """The driver's limit, after which a live server would have answered."""
        return limits.driver

    def transaction(self, **_: object) -> _Transaction:
        """What SQLAlchemy begins, commits and rolls back."""
        return _Transaction(self, self._opening)

    async def close(self, *, timeout: float | None = None) -> None:
        """Say goodbye; a server that does not answer is left without."""
        await _Connection.close(self, timeout=min(timeout or CLOSE_SECONDS, CLOSE_SECONDS))

    def _tell(self, limits: Limits) -> str:
        self._told = limits.server
        return f"SET LOCAL statement_timeout = {max(1, int(limits.server * 1000))}"


class _Transaction:
    """A transaction as SQLAlchemy's adapter drives it, without asyncpg's bookkeeping for nested ones."""

    __slots__ = ("_connection", "_opening")

    def __init__(self, connection: PostgresConnection, opening: str) -> None:
        self._connection = connection
        self._opening = opening

    async def start(self) -> None:
        await self._connection.execute(self._opening)

    async def commit(self) -> None:
        # A transaction in which a statement failed is rolled back by COMMIT, and only this word says so.
        if await self._connection.execute("COMMIT") != "COMMIT":
            raise _asyncpg.InFailedSQLTransactionError(
                "the transaction was rolled back, because a statement in it failed"
            )

    async def rollback(self) -> None:
        await self._connection.execute("ROLLBACK")


def open_postgres(terms: Terms) -> Engines:
    """The pool for a PostgreSQL server. Nothing is connected yet."""

    async def connect() -> PostgresConnection:
        engines.connecting += 1
        try:
            return await _connect(terms, terms.statement)
        finally:
            engines.connecting -= 1

    def replace_dead(adapted: Any, _record: object, _proxy: object) -> None:
        connection: PostgresConnection = adapted.driver_connection
        if connection.made_at < engines.suspected_at:
            connection.terminate()
        if connection.is_closed():
            raise DisconnectionError("this connection was closed while it lay in the pool")

    engine = create_async_engine(
        "postgresql+asyncpg://",  # where the server is, and the password, is known to `connect` alone
        async_creator=connect,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=terms.pool,
        max_overflow=terms.overflow,
        pool_timeout=terms.wait,
        pool_recycle=terms.life.total_seconds(),
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", replace_dead)
    engines = Engines(engine, engine)
    return engines


def open_postgres_for_migrating(terms: Terms) -> AsyncEngine:
    """Connections for migrations: none is kept, and a statement may take as long as it needs."""

    async def connect() -> PostgresConnection:
        return await _connect(terms, 0.0)

    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool, hide_parameters=True)


async def listen(
    terms: Terms, channel: str, heard: Callable[[], None], ended: Callable[[], None]
) -> PostgresConnection:
    """A connection that calls `heard` for every NOTIFY on the channel, and `ended` when it is lost or closed."""

    def on_notice(*_: object) -> None:
        heard()

    def on_end(*_: object) -> None:
        ended()

    connection: Any = await _connect(terms, terms.statement)
    connection.add_termination_listener(on_end)
    await connection.add_listener(channel, on_notice)
    return connection


async def _connect(terms: Terms, statement_seconds: float) -> PostgresConnection:
    async with asyncio.timeout(terms.connect):
        connection: PostgresConnection = await _asyncpg.connect(
            terms.address.dsn.reveal(),
            timeout=terms.connect,
            connection_class=PostgresConnection,
            server_settings={
                "application_name": terms.application,
                "statement_timeout": str(int(statement_seconds * 1000)),
                "timezone": "UTC",
            },
        )
    connection.ordinary = statement_seconds
    return connection
