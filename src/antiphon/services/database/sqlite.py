"""SQLite over aiosqlite: a file in WAL, one writing connection per process, and readers that cannot write.

    to SQLite               in our threads                                  why
    BEGIN, first statement  one hop together                                a hop costs more than a short statement
    execute and fetch       one hop                                         aiosqlite alone makes four
    COMMIT, ROLLBACK        one hop; none when nothing was begun
    a statement's end       a progress handler looks at the clock           cancelling a task does not stop a statement
    BEGIN IMMEDIATE         after taking the lock file                      one writer at a time, over all processes

The lock file stands beside the database. SQLite's own lock would do for order, but waiting for it cannot be cancelled;
and up to SQLite 3.51.2 ("the WAL-reset bug") two processes that write and checkpoint one WAL at the same moment can
lose what they wrote. Therefore a connection writes, checkpoints and changes the journal only while it holds the file,
and closing never checkpoints unless it does. The kernel gives the lock back when a process dies.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any, Self

import aiosqlite
from aiosqlite.core import (
    _connection_worker_thread,  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType]  # it has no other name
)
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, NullPool

from antiphon.services.database.driver import Engines, Limits, Terms
from antiphon.services.database.sqlite_lock import WriterLock, named_error

WRITING = "BEGIN IMMEDIATE"

LOOK_EVERY = 20_000
"""Steps of SQLite's machine between two looks at the clock: some tenths of a millisecond."""

DISK_SECONDS = 5.0
"""How long the system may be busy with the disk after a statement should have ended."""

CLOSE_SECONDS = 1.0
"""How long closing waits for a statement that was told to stop."""


class SqliteConnection(aiosqlite.Connection):
    """A connection whose every statement is one hop to its thread and ends in time."""

    def __init__(self, path: Path, *, write: bool, wait: float, foreign_keys: bool = True) -> None:
        super().__init__(self._open_file, 64)
        self._connect_file = partial(_connect, path, self.over, write=write, wait=wait, foreign_keys=foreign_keys)
        self._file: sqlite3.Connection | None = None
        self._thread = Thread(target=self._work, name="sqlite", daemon=True)
        self._lock = WriterLock(path) if write else None
        self._wait = wait
        self._opening: str | None = None
        self._until = inf

    async def opened(self) -> Self:
        """Start the thread and open the file."""
        await self
        return self

    # What Work says

    def begin(self, *, write: bool, limits: Limits, also: str = "") -> None:
        """Say how the next transaction opens. There is nothing else to open it with."""
        self._opening = WRITING if write else "BEGIN"

    def allow(self, limits: Limits) -> None:
        """Give the next statement this long."""
        self._until = monotonic() + limits.server

    def patience(self, limits: Limits) -> float:
        """Longer than any limit: our own thread stops the statement, unless the disk does not answer."""
        return limits.driver + DISK_SECONDS

    # What SQLAlchemy says

    def cursor(self) -> Any:
        return SqliteCursor(self)

    async def commit(self) -> None:
        if self._opening is not None:
            self._opening = None
        elif self._conn.in_transaction:
            await self.run(partial(self._end, "COMMIT"))

    async def rollback(self) -> None:
        self._until = inf
        if self._opening is not None:
            self._opening = None
        elif self._conn.in_transaction or (self._lock is not None and self._lock.held):
            await self.run(partial(self._end, "ROLLBACK"))

    async def close(self) -> None:
        """Close, in the thread and after what runs there; one that does not stop is left to end by itself."""
        if self._connection is None or not self._running:
            return
        self.stop_statement()
        closed = self.stop()
        if closed is not None:
            await asyncio.wait((closed,), timeout=CLOSE_SECONDS)

    def stop(self) -> asyncio.Future[Any] | None:
        self._tx.put_nowait((None, self._shut))  # pyright: ignore[reportUnknownMemberType]  # a Future without its type
        return super().stop()  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # likewise

    async def run(self, job: Callable[[], Any]) -> Any:
        """Do this in the connection's thread. Cancelling stops the statement and spoils the connection."""
        try:
            return await self._execute(job)  # pyright: ignore[reportUnknownMemberType]  # its parameters have no types
        except asyncio.CancelledError:
            self.stop_statement()
            raise

    def stop_statement(self) -> None:
        """Stop what runs: the handler for what is about to begin, the interrupt for what has begun."""
        self._until = 0.0
        if self._connection is not None:
            self._connection.interrupt()

    # In the thread

    def _work(self) -> None:
        """Do what is asked for until the end. Whoever asked may be gone, and their loop closed: that ends nothing."""
        while True:
            with suppress(RuntimeError):
                _connection_worker_thread(self._tx)  # pyright: ignore[reportUnknownMemberType]  # a queue of untyped Futures
                return
            if self._tx.empty():  # pyright: ignore[reportUnknownMemberType]  # likewise
                return

    def perform(self, sql: str, parameters: Any, *, many: bool = False) -> tuple[Any, int, int | None, Sequence[Any]]:
        """Open the transaction if it is to be opened, run the statement, and take all its rows."""
        if self._opening is not None:
            self._open(self._opening)
        try:
            cursor = self._conn.executemany(sql, parameters) if many else self._conn.execute(sql, parameters)
        except (OverflowError, UnicodeEncodeError):
            # A number or text that SQLite has no place for. The error as it is would quote the text.
            raise named_error("a value does not fit", "SQLITE_MISMATCH") from None
        rows = cursor.fetchall() if cursor.description else ()
        return cursor.description, cursor.rowcount, cursor.lastrowid, rows

    def over(self) -> bool:
        """The progress handler: anything but zero stops the statement."""
        return monotonic() > self._until

    def _open_file(self) -> sqlite3.Connection:
        # Kept here too: whoever waits for the opening may be cancelled, and then nobody else knows what to close.
        self._file = self._connect_file()
        return self._file

    def _open(self, opening: str) -> None:
        if self._lock is not None and opening == WRITING:
            self._lock.wait_for(self._wait, self.over)
        try:
            self._conn.execute(opening)
        except sqlite3.Error:
            if self._lock is not None:
                self._lock.give_back()
            raise
        self._opening = None

    def _end(self, word: str) -> None:
        if self._conn.in_transaction:
            self._until = inf
            self._conn.execute(word)
        if self._lock is not None:
            self._lock.give_back()

    def _shut(self) -> None:
        connection, self._file, self._connection = self._file, None, None
        self._until = inf
        if connection is None:
            return
        if connection.in_transaction:
            connection.rollback()
        if self._lock is not None and self._lock.take():
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        if self._lock is not None:
            self._lock.close()


class SqliteCursor:
    """A cursor as SQLAlchemy's adapter reads it: everything was fetched in the hop that ran the statement."""

    __slots__ = ("_connection", "_rows", "arraysize", "description", "lastrowid", "rowcount")

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._rows: Sequence[Any] = ()
        self.arraysize = 1
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Any = ()) -> None:
        self._take(await self._connection.run(partial(self._connection.perform, sql, parameters)))

    async def executemany(self, sql: str, parameters: Any) -> None:
        self._take(await self._connection.run(partial(self._connection.perform, sql, parameters, many=True)))

    async def fetchall(self) -> Sequence[Any]:
        return self._rows

    async def close(self) -> None:
        self._rows = ()

    def _take(self, done: tuple[Any, int, int | None, Sequence[Any]]) -> None:
        self.description, self.rowcount, self.lastrowid, self._rows = done


def open_sqlite(terms: Terms) -> Engines:
    """The two pools for a SQLite file. Nothing is opened yet."""
    return Engines(
        _engine(terms, write=False, pool_size=terms.pool, max_overflow=terms.overflow, pool_use_lifo=True),
        # Writers of one process stand in line for one connection, in order, and can leave the line at any time.
        _engine(terms, write=True, pool_size=1, max_overflow=0),
    )


def _engine(terms: Terms, *, write: bool, **pool: Any) -> AsyncEngine:
    async def connect() -> SqliteConnection:
        return await SqliteConnection(_path(terms), write=write, wait=terms.wait).opened()

    return create_async_engine(
        "sqlite+aiosqlite:///file",  # the file is known to the creator alone
        async_creator=connect,
        poolclass=AsyncAdaptedQueuePool,
        pool_timeout=terms.wait,
        pool_recycle=terms.life.total_seconds(),
        hide_parameters=True,
        **pool,
    )


def open_sqlite_for_migrating(terms: Terms, wait: float) -> AsyncEngine:
    """A writing connection for migrations, which is not kept: it waits longer for its turn, and foreign keys are off.

    SQLite changes most of a table by copying it, and would take the dropping of the old one for a deletion of its rows.
    Whoever migrates checks the keys before the commit.
    """

    async def connect() -> SqliteConnection:
        return await SqliteConnection(_path(terms), write=True, wait=wait, foreign_keys=False).opened()

    return create_async_engine(
        "sqlite+aiosqlite:///file", async_creator=connect, poolclass=NullPool, hide_parameters=True
    )


def _path(terms: Terms) -> Path:
    return terms.address.path or Path()


def _connect(
    path: Path, over: Callable[[], bool], *, write: bool, wait: float, foreign_keys: bool
) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        connection.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE)
        if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            _use_wal(connection, path, wait)
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        if not write:
            connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(over, LOOK_EVERY)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_wal(connection: sqlite3.Connection, path: Path, wait: float) -> None:
    lock = WriterLock(path)
    try:
        lock.wait_for(wait)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        lock.close()
