"""The database of an application: its pools, whether it can be reached, and transactions outside of calls.

    state       becomes     when
    ready       away        a connection cannot be opened, or a server falls silent
    away        ready       a connection opens again, and the schema is (or is made) the one this program knows

While it is away one connection at a time is tried: in the background after 50 ms, then twice as long each time up to
5 s; and by whoever wants to use it, all of them waiting for the same try, for `connect_time` at most. So nobody waits
long in vain, a dead server is not besieged, and the first call after its return finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic

import sqlalchemy.exc
from sqlalchemy import literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.core.errors import SetupError
from antiphon.core.health import Health
from antiphon.core.log import Logger
from antiphon.services.database.address import Engine
from antiphon.services.database.codes import NO_CONNECTION, code_of, is_away
from antiphon.services.database.driver import Engines, Limits, Terms, driver_of
from antiphon.services.database.errors import DatabaseAway, SilentServer, When, at_start, told
from antiphon.services.database.fence import Fence
from antiphon.services.database.notices import Notices
from antiphon.services.database.reach import Reach
from antiphon.services.database.schema import Schema
from antiphon.services.database.transaction import Transaction
from antiphon.services.database.work import Work

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0

FRESH_SECONDS = 1.0
"""How long a good answer counts as the health; asking for it takes a little less at most."""

type Prepare = Callable[[], Awaitable[object]]
"""Looks at the schema, and migrates it if it may. Raises SetupError when this program cannot work with it."""


class Database:
    """The one object that the rest asks for: `transaction()` outside of calls, and the health. Calls have `Work`."""

    health_name = "database"

    def __init__(self, engines: Engines, terms: Terms, schema: Schema, log: Logger, *, critical: bool = True) -> None:
        self.health_critical = critical
        self.schema = schema
        self.log = log
        self.engine: Engine = terms.address.engine
        self.shown = terms.address.shown
        self.statement_seconds = terms.statement
        self.seen_at = 0.0
        self.row_security = terms.row_security
        self._terms = terms
        self._engines = engines
        self.fence = Fence(schema.metadata)
        self._prepare: Prepare | None = None
        self._away = True
        self._not_before = 0.0
        self._attempt: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    # Its life

    async def start(self, prepare: Prepare | None = None) -> None:
        """Connect and prepare the schema. Without a database it starts all the same, and does both when there is one.

        Raises SetupError when a server is there and refuses us, or when the schema is not one this program knows.
        """
        self._prepare = prepare
        try:
            await self._try()
        except SetupError:
            raise
        except Exception as error:  # noqa: BLE001  # what does not mean that it is away is raised
            problem = SilentServer() if isinstance(error, SilentServer) else at_start(error, self.shown)
            if not isinstance(problem, DatabaseAway | SilentServer):
                raise problem from (None if problem is error else error)
            self._lose(error)

    async def close(self) -> None:
        """Stop trying and close every connection."""
        tasks = [task for task in (self._watch, self._attempt) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._engines.close()

    # Use

    @asynccontextmanager
    async def transaction(self, *, write: bool = False, tenant_id: str = "") -> AsyncGenerator[Work]:
        """A transaction outside of a call: committed at the end of the block, rolled back when it fails.

        It stays within this tenant. Without one it reaches no table that has tenants, but by `work.unscoped(reason)`.
        """
        work = Work(self, write=write, reach=Reach.within(tenant_id))
        try:
            yield work
        except BaseException:
            await work.rollback()
            raise
        await work.commit()

    def notices(self, channel: str, heard: Callable[[], None]) -> Notices | None:
        """Tells other processes that something has happened, and hears it from them; SQLite has no such thing."""
        return Notices(self._terms, channel, heard, self.log) if self.engine == "postgresql" else None

    async def open_transaction(self, *, write: bool, limits: Limits, wall: str | None = None) -> Transaction:
        """A transaction on a connection from the pool: what a Work begins with. Raises what drivers raise."""
        if self._away:
            await self._reach()
        try:
            connection = await self._connect(limits, write=write)
        except Exception as error:
            if is_away(error):
                self._lose(error)
            raise
        return Transaction(connection, driver_of(connection), limits, write=write, wall=wall)

    def told(self, error: BaseException, when: When) -> BaseException:
        """The error to raise instead of a driver's."""
        if isinstance(error, SilentServer):
            self._engines.suspect()
            self._lose(error)
        return told(error, self.schema, when)

    def greeting(self) -> list[str]:
        """Which engine this is and how to switch, for the person who started it."""
        if self._terms.address.engine == "sqlite":
            return [f"database  SQLite at {self.shown}; DATABASE_URL switches to PostgreSQL"]
        return [f"database  PostgreSQL at {self.shown} (DATABASE_URL)"]

    async def check_health(self) -> Health:
        """Up when a statement was answered within the last second or is now; degraded when no connection is free."""
        if not self._away and monotonic() - self.seen_at < FRESH_SECONDS:
            return Health.UP
        try:
            work = Work(self, write=False, time_left=lambda: FRESH_SECONDS * 0.9)
            await work.execute(select(literal(1)))
            await work.commit()
        except Exception as error:  # noqa: BLE001  # whatever is wrong, the answer is a state
            return Health.DEGRADED if code_of(error.__cause__) == NO_CONNECTION else Health.DOWN
        return Health.UP

    # How it is reached

    async def _connect(self, limits: Limits, *, write: bool) -> AsyncConnection:
        engine = self._engines.writing if write else self._engines.reading
        patience = asyncio.timeout(min(limits.driver, self._terms.wait + self._terms.connect))
        try:
            async with patience:
                return await engine.connect()
        except TimeoutError as error:
            if patience.expired() and not self._engines.connecting:
                raise sqlalchemy.exc.TimeoutError("no connection was free in time") from error
            raise

    async def _try(self) -> None:
        """Make sure that the database answers and its schema is prepared. Raises what drivers raise, or SetupError."""
        limits = Limits.of(self._terms.connect)
        async with asyncio.timeout(self._terms.connect):
            connection = await self._engines.reading.connect()
        transaction = Transaction(connection, driver_of(connection), limits, write=False)
        try:
            await transaction.run(lambda connection: connection.execute(text("SELECT 1")), limits)
        finally:
            await transaction.undo()
        if self._prepare is not None:
            await self._prepare()
            self._prepare = None
        self.seen_at = monotonic()
        self._away = False

    async def _try_again(self) -> None:
        try:
            await self._try()
        except SetupError as error:
            self._not_before = monotonic() + LONGEST_PAUSE
            self.log.error("database.unfit", error=error)
        except Exception as error:  # noqa: BLE001  # it is away for whatever reason; the next try will tell
            self.log.debug("database.still_away", reason=type(error).__name__, code=code_of(error))
        else:
            self.log.info("database.back", database=self.shown)
        finally:
            self._attempt = None

    async def _reach(self) -> None:
        """Wait for a try that begins now. Raises DatabaseAway when it fails or takes longer than connecting may.

        One that is running already may have begun while the database was still away, so its failure is not the answer.
        """
        give_up_at = monotonic() + self._terms.connect
        for _ in range(1 if self._attempt is None else 2):
            if self._away and (running := self._begin_try()) is not None:
                await asyncio.wait((running,), timeout=max(0.0, give_up_at - monotonic()))
        if self._away:
            raise DatabaseAway

    def _begin_try(self) -> asyncio.Task[None] | None:
        """The running try, or a new one; None while a schema that does not fit keeps us from trying."""
        if self._attempt is None and monotonic() >= self._not_before:
            self._attempt = asyncio.create_task(self._try_again(), name="database: try again")
        return self._attempt

    def _lose(self, error: BaseException) -> None:
        if not self._away or self._watch is None:
            self.log.warning("database.away", database=self.shown, reason=type(error).__name__, code=code_of(error))
        self._away = True
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._keep_trying(), name="database: watch")

    async def _keep_trying(self) -> None:
        pause = FIRST_PAUSE
        while self._away:
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            if self._away and (running := self._begin_try()) is not None:
                await asyncio.wait((running,))
