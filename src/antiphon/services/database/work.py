"""A unit of work: the one transaction of a call, opened at its first statement and committed before the answer leaves.

Statements are SQLAlchemy Core over typed tables, and repositories give msgspec Structs. There is no ORM session: its
identity map and its flush at the end run statements that nobody wrote, at a moment nobody chose, and its objects look
like results but are tied to a transaction. Here a statement runs where it stands, and a row is a value.

    state       becomes     when
    idle        open        the first statement; a pooled connection that turns out dead is replaced once, unseen
    open        idle        commit, rollback; or the first statement fails: nothing was done, the next one begins anew
    open        spoiled     a later statement of a writing transaction fails; everything is rolled back at once
    spoiled     idle        rollback. Statements and commit raise Defect: PostgreSQL takes nothing more by then, and a
                            caller must not be told of a success that was undone. `savepoint()` is for what may fail.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar, overload

from sqlalchemy import CursorResult, Executable, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import TypedReturnsRows

from antiphon.core.errors import Defect, TimedOut
from antiphon.services.database.address import Engine
from antiphon.services.database.codes import STALE_PLAN, code_of, is_away
from antiphon.services.database.driver import Limits
from antiphon.services.database.ends import Ends, WhenEnded
from antiphon.services.database.errors import When
from antiphon.services.database.reach import EVERYBODY, NOWHERE, Reach
from antiphon.services.database.transaction import Transaction

if TYPE_CHECKING:
    from antiphon.services.database.database import Database

R = TypeVar("R")

type Values = Mapping[str, Any]
type AfterCommit = Callable[[], Awaitable[None]]
type BeforeCommit = Callable[[Work, Sequence[Any]], Awaitable[None]]
"""Writes what was gathered for the end of a transaction, in it."""


class Work:
    """What a repository uses: `execute`, `scalar` and `scalars`. `ctx.get(Work)` is the call's own.

    A safe call (a GET) can only read. After `commit` the work goes on in a new transaction. Statements of one work take
    turns, so it may be shared by tasks. On PostgreSQL the isolation is READ COMMITTED, and SQLite has one writer: code
    that reads, thinks and then writes says `.with_for_update()` on the reading, or compares a version in the writing,
    and is right on both. Before something slow, such as hashing a password, `commit`: others may be waiting to write.
    """

    __slots__ = (
        "_after",
        "_before",
        "_database",
        "_ender",
        "_ends",
        "_nested",
        "_open",
        "_reach",
        "_spoiled",
        "_time_left",
        "_turn",
        "_wrote",
        "write",
    )

    def __init__(
        self,
        database: Database,
        *,
        write: bool,
        time_left: Callable[[], float] = lambda: inf,
        reach: Reach = NOWHERE,
    ) -> None:
        self.write = write
        self._reach = reach
        self._database = database
        self._time_left = time_left
        self._turn = asyncio.Lock()
        self._open: Transaction | None = None
        self._spoiled: BaseException | None = None
        self._nested = 0
        self._wrote = False
        self._before: list[tuple[BeforeCommit, Any]] = []
        self._after: list[AfterCommit] = []
        self._ends = Ends()
        self._ender: asyncio.Task[Any] | None = None

    @property
    def engine(self) -> Engine:
        """Which engine it is, for the few statements that each of them writes differently."""
        return self._database.engine

    @property
    def has_transaction(self) -> bool:
        """Whether a transaction is open, and so a connection held."""
        return self._open is not None

    @property
    def has_written(self) -> bool:
        """Whether the open transaction holds more than readings."""
        return self._open is not None and self._wrote

    # Statements

    @overload
    async def execute[*Ts](
        self, statement: TypedReturnsRows[*Ts], parameters: Values | Sequence[Values] | None = None
    ) -> CursorResult[*Ts]: ...
    @overload
    async def execute(
        self, statement: Executable, parameters: Values | Sequence[Values] | None = None
    ) -> CursorResult[*tuple[Any, ...]]: ...
    async def execute(self, statement: Executable, parameters: Values | Sequence[Values] | None = None) -> Any:
        """Run a statement and take all its rows. With a list of parameters it runs once for each of them.

        Raises DatabaseAway, TimedOut, Taken, Conflict, InvalidInput or Forbidden, as the table in `errors` says.
        """
        fence = self._database.fence
        if fence:
            statement, parameters = fence.around(statement, parameters, self._reach)
        return await self._execute(statement, parameters, self._wall())

    async def scalar[T](
        self, statement: TypedReturnsRows[T, *tuple[Any, ...]], parameters: Values | None = None
    ) -> T | None:
        """The first column of the first row, or None when there is no row."""
        return (await self.execute(statement, parameters)).scalar()

    async def scalars[T](
        self, statement: TypedReturnsRows[T, *tuple[Any, ...]], parameters: Values | None = None
    ) -> Sequence[T]:
        """The first column of every row."""
        return (await self.execute(statement, parameters)).scalars().all()

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """Undo only this block when something in it fails; the error goes on, and the work can be used after it."""
        name = f"antiphon_{self._nested + 1}"
        await self._execute(text(f"SAVEPOINT {name}"), None, None)
        before, after, ends = len(self._before), len(self._after), len(self._ends)
        self._nested += 1
        try:
            yield
            self._refuse_if_spoiled()
        except BaseException:
            del self._before[before:], self._after[after:]
            self._ends.forget(ends)
            if self._open is not None:
                self._spoiled = None
                self._open.forget_wall()
                await self._execute(text(f"ROLLBACK TO SAVEPOINT {name}"), None, None)
            raise
        finally:
            self._nested -= 1
        await self._execute(text(f"RELEASE SAVEPOINT {name}"), None, None)

    def unscoped(self, reason: str) -> Work:
        """This work without the fence around the tenant: rows of every tenant are in reach, and SQL as text is taken.

        The reason is for the audit log. Rows that are added have to say their tenant.
        """
        if not reason:
            raise ValueError('unscoped() needs a reason, such as unscoped("signing in knows no tenant yet").')
        self._reach.unscoped(reason)
        return Unscoped(self, self._reach)

    # The end

    def after_commit(self, callback: AfterCommit) -> None:
        """Do this once the data is committed, and not at all if it is rolled back.

        For what others may only hear of when it is true, such as a published event. A failure is logged and does not
        fail the call, because what it did stands.
        """
        self._after.append(callback)

    def when_ended[T](self, tell: WhenEnded[T], item: T) -> None:
        """Call `tell(items, outcome)` when the transaction has ended, unless it is undone.

        It gets all the items that were given for it, in order, whatever becomes of the call. It must not raise.
        """
        self._ends.add(tell, item)

    def before_commit[T](self, write: Callable[[Work, Sequence[T]], Awaitable[None]], item: T) -> None:
        """Call `write(work, items)` within the transaction, as the last thing before its COMMIT.

        It is called once with all the items that were given for it, in their order; several of them in the order in
        which they were first named. What it raises fails the commit. A rollback, also of a savepoint, forgets the
        items. For what has to follow from the transaction in the order of the commits: other transactions wait for the
        rows that this one has touched, and so write theirs later.
        """
        if not self.write:
            raise Defect("before_commit() on a reading transaction, which commits nothing: the action is safe (a GET).")
        self._before.append((write, item))

    async def commit(self) -> None:
        """Commit what was done so far and give the connection back, then do what waits for it."""
        async with self._turn:
            if self._before:
                await self._finish_up()
            spoiled = self._spoiled is not None
            opened, self._open = self._open, None
            after, self._after = self._after, []
            ends, self._ends = self._ends, Ends()
            self._spoiled = None
            if spoiled or not self.write:
                if opened is not None:
                    await opened.undo()
                if spoiled:
                    raise _defect()
            elif opened is not None:
                await self._commit(opened, ends)
            ends.tell("committed")
        for callback in after:
            try:
                await callback()
            except Exception as error:  # noqa: BLE001  # the commit stands, whatever happens to those who hear of it
                self._database.log.error("database.after_commit_failed", error=error)

    async def rollback(self) -> None:
        """Undo what was not committed and give the connection back."""
        async with self._turn:
            await self._undo()

    async def end(self, error: BaseException | None) -> None:
        """Commit when all went well, else roll back: the call's step in `ctx.at_end`."""
        if error is None:
            await self.commit()
        else:
            await self.rollback()

    def _wall(self) -> str | None:
        """Whose rows are in reach, for a database that asks; None for one that does not."""
        return self._reach.rows().wall if self._database.row_security else None

    async def _run(self, job: Callable[[AsyncConnection], Awaitable[R]], wall: str | None) -> R:
        if self._ender is not None and self._ender is asyncio.current_task():
            return await self._step(job, wall)  # what is written before a commit has the commit's own turn
        async with self._turn:
            return await self._step(job, wall)

    async def _execute(
        self, statement: Executable, parameters: Values | Sequence[Values] | None, wall: str | None
    ) -> Any:
        result = await self._run(lambda connection: connection.execute(statement, parameters), wall)
        self._wrote = self._wrote or not statement.is_select
        return result

    async def _step(self, job: Callable[[AsyncConnection], Awaitable[R]], wall: str | None) -> R:
        self._refuse_if_spoiled()
        try:
            result = await self._attempt(job, wall)
        except BaseException as error:  # noqa: BLE001  # it is raised again, in the caller's terms
            await self._fail(error)
            problem = self._database.told(error, When(writing=self.write))
            raise problem from problem.__cause__
        self._database.seen_at = monotonic()
        return result

    async def _attempt(self, job: Callable[[AsyncConnection], Awaitable[R]], wall: str | None) -> R:
        limits = self._limits()
        if self._open is None:
            self._wrote = False
            self._open = await self._database.open_transaction(write=self.write, limits=limits, wall=wall)
            try:
                return await self._open.run(job, limits, wall)
            except Exception as error:
                # The server may have gone and come back while the connection lay in the pool, or a migration may have
                # changed the table. Nothing is done yet.
                if not is_away(error) and code_of(error) != STALE_PLAN:
                    raise
            opened, self._open = self._open, None
            await opened.undo()
            self._open = await self._database.open_transaction(write=self.write, limits=self._limits(), wall=wall)
        return await self._open.run(job, limits, wall)

    async def _fail(self, error: BaseException) -> None:
        opened = self._open
        if opened is None:
            return
        if self._nested and not opened.lost and isinstance(error, Exception):
            self._spoiled = error  # until the savepoint undoes it
            return
        self._open = None
        if self.write and opened.used:
            self._spoiled = error
        await opened.undo()

    async def _finish_up(self) -> None:
        """Write what waits for the end of the transaction; more may be named meanwhile."""
        self._ender = asyncio.current_task()
        try:
            while self._before and self._spoiled is None:
                write = self._before[0][0]
                items = [item for other, item in self._before if other == write]
                self._before = [each for each in self._before if each[0] != write]
                await write(self, items)
        except BaseException:
            await self._undo()
            raise
        finally:
            self._ender = None
            self._before.clear()

    async def _undo(self) -> None:
        opened, self._open = self._open, None
        self._spoiled = None
        self._before.clear()
        self._after.clear()
        self._ends.forget()
        if opened is not None:
            await opened.undo()

    async def _commit(self, opened: Transaction, ends: Ends) -> None:
        try:
            await opened.commit(self._limits())
        except BaseException as error:  # noqa: BLE001  # it is raised again, in the caller's terms
            problem = self._database.told(error, When(writing=True, committing=True))
            if isinstance(error, asyncio.CancelledError) or getattr(problem, "outcome_unknown", False):
                ends.tell("unknown")
            await opened.undo()
            raise problem from problem.__cause__

    def _limits(self) -> Limits:
        left = self._time_left()
        if left <= 0:
            raise TimedOut
        return Limits.of(self._database.statement_seconds, left)

    def _refuse_if_spoiled(self) -> None:
        if self._spoiled is not None:
            raise _defect()


class Within(Work):
    """A work with another reach: the same transaction, and the same end. For a call within a call."""

    __slots__ = ("_within",)

    def __init__(self, within: Work, reach: Reach) -> None:
        super().__init__(within._database, write=within.write, reach=reach)
        self._within = within

    @property
    def has_transaction(self) -> bool:
        return self._within.has_transaction

    @property
    def has_written(self) -> bool:
        return self._within.has_written

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        async with self._within.savepoint():
            yield

    def after_commit(self, callback: AfterCommit) -> None:
        self._within.after_commit(callback)

    def when_ended[T](self, tell: WhenEnded[T], item: T) -> None:
        self._within.when_ended(tell, item)

    def before_commit[T](self, write: Callable[[Work, Sequence[T]], Awaitable[None]], item: T) -> None:
        self._within.before_commit(write, item)

    async def commit(self) -> None:
        await self._within.commit()

    async def rollback(self) -> None:
        await self._within.rollback()

    async def _execute(
        self, statement: Executable, parameters: Values | Sequence[Values] | None, wall: str | None
    ) -> Any:
        return await self._within._execute(statement, parameters, wall)


class Unscoped(Within):
    """A work without its fence."""

    __slots__ = ()

    async def execute(self, statement: Executable, parameters: Values | Sequence[Values] | None = None) -> Any:
        """Run a statement as it is."""
        return await self._execute(statement, parameters, EVERYBODY if self._database.row_security else None)


def _defect() -> Defect:
    return Defect(
        "A statement failed earlier in this transaction, so everything in it was rolled back, and the action went on. "
        "Let the error pass, or run what may fail within `async with work.savepoint():`."
    )
