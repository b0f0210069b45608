"""Brings a database up to the schema of the program: one migration at a time, each in a transaction of its own.

    step    does                                                                on failure
    look    which revision the database has, and which is the program's last    SetupError; none left: this is the end
    open    opens a transaction                                                 raises what the driver raises
    lock    takes the lock: advisory on PostgreSQL, the writer's file on        after `migrate_wait`: fine if another
            SQLite; both are given back by the end of the transaction           process has finished, else SetupError
    read    which revision the database has, now that nobody else moves it      SetupError for an unknown one
    run     the next revision, if there is one                                  SetupError; nothing of it is left
    check   the foreign keys of SQLite, which are off while migrating           SetupError; nothing of it is left
    commit                                                                      and again from `open` until none is left

Because the revision is read under the lock, any number of processes may start at once: they take turns, and each finds
less to do. The look before that is for the many starts with nothing to do: it takes no lock, and does not import
Alembic. What one migration does is all kept or not at all, on both engines; so `autocommit_block()` and
`CREATE INDEX CONCURRENTLY` have no place in one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import sqlalchemy.exc
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from antiphon.core.errors import SetupError
from antiphon.core.log import Logger
from antiphon.services.database.codes import code_of, is_away
from antiphon.services.database.driver import Limits, Terms, driver_of
from antiphon.services.database.errors import at_start
from antiphon.services.database.line import read_line
from antiphon.services.database.reach import EVERYBODY
from antiphon.services.database.row_security import are_raised, clear_walls, opening, raise_walls, require_walls
from antiphon.services.database.schema import Schema
from antiphon.services.database.sqlite import open_sqlite_for_migrating

if TYPE_CHECKING:
    from antiphon.services.database.history import History

R = TypeVar("R")

ADVISORY_LOCK = 0x616E7469_70686F6E
"""The key of the lock on PostgreSQL: "antiphon" in ASCII."""

UNBOUNDED = timedelta(days=1).total_seconds()
"""How long a statement of a migration may take."""

_alembic = Lock()
"""`alembic.op` is one global for the whole process: one migration runs at a time, whichever application it is for."""


class Migrations:
    """The migrations of one application on one database."""

    def __init__(self, schema: Schema, terms: Terms, *, wait: timedelta, log: Logger) -> None:
        self.schema = schema
        self._terms = terms
        self._wait = wait.total_seconds()
        self._log = log
        self._sqlite = terms.address.engine == "sqlite"

    async def start(self) -> None:
        """Run what is pending, and raise SetupError where the walls around tenants would not hold this program."""
        await self.run()
        await self._require_walls()

    async def run(self) -> tuple[str, ...]:
        """Run what is pending; gives the names of what ran here. Raises SetupError, or DatabaseAway."""
        ran = await self._run()
        if self._terms.row_security and not await self.look(self._are_walls_raised):
            async with self._connected() as connection, self._locked(connection):
                await connection.run_sync(raise_walls, self.schema.metadata)
        return ran

    async def clear_walls(self) -> list[str]:
        """Remove the walls around tenants where the setting is off; gives the names of the tables that had one."""
        if self._sqlite or self._terms.row_security:
            return []
        async with self._connected() as connection, self._locked(connection):
            return await connection.run_sync(clear_walls, self.schema.metadata)

    async def _run(self) -> tuple[str, ...]:
        line = self._line()
        history = self._history() if line is None else None
        ran: list[str] = []
        async with self._connected() as connection:
            current = await _current(connection)
            if _ends_at(line, current):
                return ()
            history = history or self._history()
            if not history.pending(current):
                return ()
            try:
                while (name := await self._step(connection, history)) is not None:
                    self._log.info("database.migrated", revision=name, database=self._terms.address.shown)
                    ran.append(name)
            except sqlalchemy.exc.DBAPIError as error:
                if code_of(error) != "55P03":
                    raise
                _require(
                    history.pending(await _current(connection)),
                    f"Another process has held the lock for migrations of {self._terms.address.shown} for "
                    f"{self._wait:g} s, and {{pending}} still has to run. See what it is doing, and start again.",
                )
        return tuple(ran)

    async def require(self) -> None:
        """Raise SetupError unless the database has the schema that this program knows; DatabaseAway if it is away."""
        current = await self.current()
        _require(
            () if _ends_at(self._line(), current) else self._history().pending(current),
            f"The database {self._terms.address.shown} is behind this program: {{pending}} has to run. "
            f"Run the command `migrate`, or set database.migrate to true.",
        )
        await self._require_walls()

    async def current(self) -> str | None:
        """The revision of the database, or None for one without migrations."""
        return await self.look(_revision)

    async def look(self, at: Callable[[Connection], R]) -> R:
        """Look at the database over a connection of its own."""
        async with self._connected() as connection:
            return await connection.run_sync(at)

    # How it is done

    def _line(self) -> tuple[str, ...] | None:
        """The line of revisions, if it is plain enough to be known without Alembic."""
        line = read_line(self.schema.migrations)
        return None if line == () and self.schema.metadata.tables else line

    def _history(self) -> History:
        from antiphon.services.database.history import History  # noqa: PLC0415  # most starts do without Alembic

        history = History(self.schema)
        if not history.names and self.schema.metadata.tables:
            raise SetupError(
                f"There are tables and no migrations in {self.schema.migrations}. "
                f"Write the first one with the command `migrate --make`."
            )
        return history

    async def _require_walls(self) -> None:
        if self._terms.row_security:
            await self.look(lambda connection: require_walls(connection, self.schema.metadata))

    def _are_walls_raised(self, connection: Connection) -> bool:
        return are_raised(connection, self.schema.metadata)

    @asynccontextmanager
    async def _locked(self, connection: AsyncConnection) -> AsyncGenerator[None]:
        """A transaction in which no other process migrates, and which reaches the rows of every tenant."""
        driver_of(connection).begin(write=True, limits=Limits(UNBOUNDED, UNBOUNDED), also=opening(EVERYBODY))
        async with connection.begin(), _one_at_a_time():
            if not self._sqlite:
                await connection.execute(text(f"SET LOCAL lock_timeout = {int(self._wait * 1000)}"))
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
                await connection.execute(text("SET LOCAL lock_timeout = 0"))
            yield

    async def _step(self, connection: AsyncConnection, history: History) -> str | None:
        """Run the next migration, if there is one, and give its name."""
        async with self._locked(connection):
            pending = history.pending(await connection.run_sync(_revision))
            if not pending:
                return None
            await self._upgrade(connection, history, pending[0])
            return pending[0]

    async def _upgrade(self, connection: AsyncConnection, history: History, name: str) -> None:
        try:
            await connection.run_sync(history.upgrade, name)
            if self._sqlite:
                broken = (await connection.execute(text("PRAGMA foreign_key_check"))).all()
                if broken:
                    raise SetupError(
                        f"The migration {name} leaves {len(broken)} rows that refer to nothing, in "
                        f"{', '.join(sorted({row[0] for row in broken}))}. Nothing of it was kept."
                    )
        except SetupError:
            raise
        except Exception as error:
            if is_away(error):
                raise
            words = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error
            raise SetupError(f"The migration {name} failed, and nothing of it was kept: {words}") from error

    def _engine(self) -> AsyncEngine:
        if self._sqlite:
            return open_sqlite_for_migrating(self._terms, self._wait)
        from antiphon.services.database.postgres import open_postgres_for_migrating  # noqa: PLC0415  # needs asyncpg

        return open_postgres_for_migrating(self._terms)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[AsyncConnection]:
        engine = self._engine()
        try:
            async with engine.connect() as connection:
                yield connection
        except SetupError:
            raise
        except Exception as error:
            problem = at_start(error, self._terms.address.shown)
            if problem is error:
                raise
            raise problem from error
        finally:
            await engine.dispose()


def _ends_at(line: tuple[str, ...] | None, current: str | None) -> bool:
    """Whether the line is known and this is its end."""
    return line is not None and current == (line[-1] if line else None)


async def _current(connection: AsyncConnection) -> str | None:
    driver_of(connection).begin(write=False, limits=Limits(UNBOUNDED, UNBOUNDED))
    async with connection.begin():
        return await connection.run_sync(_revision)


def _require(pending: tuple[str, ...], message: str) -> None:
    if pending:
        raise SetupError(message.format(pending=", ".join(pending)))


def _revision(connection: Connection) -> str | None:
    # What Alembic writes down: one row for each end of the line, and no table before the first migration.
    if not inspect(connection).has_table("alembic_version"):
        return None
    heads = connection.execute(text("SELECT version_num FROM alembic_version ORDER BY version_num")).scalars().all()
    if len(heads) > 1:
        raise SetupError(
            f"The database stands at {len(heads)} revisions at once: {', '.join(heads)}. Mend its alembic_version."
        )
    return heads[0] if heads else None


@asynccontextmanager
async def _one_at_a_time() -> AsyncGenerator[None]:
    # Applications of one process may run on loops of different threads, so this is a thread's lock, and is not waited
    # for in a way that stops the loop.
    while not _alembic.acquire(blocking=False):  # noqa: ASYNC110  # an event belongs to one loop
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        _alembic.release()
