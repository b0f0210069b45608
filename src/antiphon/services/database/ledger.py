"""The ledger: which effects stand already, under which key, and with which result; so that a repeat makes none.

    in the transaction        two calls with one key
    first statement           inserts the key. The second call waits here for the end of the first
                              - the first commits: the key is there, the call ends with the result kept with it
                              - the first rolls back: the second goes on as if there had been no other
    what the block does       effects
    last statement, COMMIT    writes the result into the entry; effect and entry are kept together or not at all

The result is what the call from outside gives, so nothing may be committed between the block and the end of the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Annotated, ClassVar
from weakref import WeakSet

import msgspec
from msgspec import Meta
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, String, Table, delete, select, update

from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, Defect, Unavailable
from antiphon.core.inputs.types import encode_kind
from antiphon.core.job import AlreadyDone, Once
from antiphon.core.log import Logger
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background, service
from antiphon.core.settings import Settings, doc
from antiphon.services.database.columns import UtcDateTime
from antiphon.services.database.database import Database
from antiphon.services.database.inserting import insert_if_new
from antiphon.services.database.schema import NAMES, Schema
from antiphon.services.database.work import Work

ledger_metadata = MetaData(naming_convention=NAMES)

ledger = Table(
    "ledger",
    ledger_metadata,
    Column("key", String(512), primary_key=True),
    Column("caller_id", String(256), nullable=False, server_default=""),
    Column("action", String(256), nullable=False),
    Column("body_hash", String(64), nullable=False, server_default=""),
    Column("status", String(16), nullable=False),
    Column("result", LargeBinary),
    Column("error", LargeBinary),
    Column("entity", String(512), nullable=False, server_default=""),
    Column("version", BigInteger),
    Column("applied_at", UtcDateTime, nullable=False, index=True),
)

APPLIED = "applied"
"""The status of an entry whose effects stand."""

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


class LedgerSettings(Settings, frozen=True):
    """How long it is remembered what was done already."""

    section: ClassVar[str] = "ledger"

    keep_time: Annotated[timedelta, doc("How long an entry is kept: longer than anybody repeats a call.")] = timedelta(
        days=30
    )
    purge_time: Annotated[timedelta, doc("How often older entries are deleted.")] = timedelta(hours=1)
    purge_rows: Annotated[int, Meta(ge=1), doc("How many entries are deleted in one transaction.")] = 1_000


class Ledger(Once, Background):
    """`ctx.once()` on the table `ledger`."""

    def __init__(self, database: Database, settings: LedgerSettings, clock: Clock, log: Logger) -> None:
        self._database = database
        self._settings = settings
        self._clock = clock
        self._log = log
        self._inside: WeakSet[Context] = WeakSet()
        self._purging: asyncio.Task[None] | None = None

    def once(self, ctx: Context, key: str) -> AbstractAsyncContextManager[None]:
        """A block whose effects happen once for this key. Raises AlreadyDone, or Conflict for somebody else's key."""
        return self._once(ctx, key)

    @asynccontextmanager
    async def _once(self, ctx: Context, key: str) -> AsyncGenerator[None]:
        call = ctx.outermost
        work = ctx.get(Work)
        self._refuse_misuse(ctx, work)
        self._inside.add(call)
        try:
            if not await _insert(work, _entry(ctx, key)):
                raise await self._kept(work, ctx, key)
            work.before_commit(_complete, (call, key))
            yield
        except BaseException:
            # Also for an action that catches the error and goes on: half of the effects must not be committed.
            await work.rollback()
            self._inside.discard(call)
            raise

    def _refuse_misuse(self, ctx: Context, work: Work) -> None:
        call = ctx.outermost
        action = ctx.runtime.actions.get(call.action_name)
        if not work.write:
            raise _misuse(ctx, "in a safe action (a GET), which has no effects")
        if action is not None and action.streams:
            raise _misuse(ctx, "in a streaming action, which commits before each item")
        if call in self._inside:
            raise _misuse(ctx, "twice in one call, which has one key; put all effects into one block")
        if work.has_written:
            raise _misuse(ctx, "after something was written; the key has to be first, so begin with the block")

    async def _kept(self, work: Work, ctx: Context, key: str) -> Exception:
        """What a repeat ends with."""
        row = (
            await work.execute(select(ledger.c.caller_id, ledger.c.action, ledger.c.result).where(ledger.c.key == key))
        ).one_or_none()
        if row is None:
            return Unavailable("The earlier call under this key is just being forgotten. Try again.")
        if (row.caller_id, row.action) != (ctx.caller.id, ctx.outermost.action_name):
            return Conflict("This key was used for something else. Use a new one.")
        return AlreadyDone(row.result)

    # Forgetting

    async def begin(self, runtime: Runtime) -> None:
        """Begin to delete old entries, now and then."""
        self._purging = asyncio.create_task(self._keep_purging(), name="ledger: purge")

    async def purge(self) -> int:
        """Delete the entries that are too old; gives how many."""
        oldest = self._clock.now() - self._settings.keep_time
        old = select(ledger.c.key).where(ledger.c.applied_at < oldest).limit(self._settings.purge_rows)
        deleted, last = 0, self._settings.purge_rows
        while last == self._settings.purge_rows:
            # One transaction each, so that nobody waits long for a turn to write.
            async with self._database.transaction(write=True) as work:
                last = (await work.execute(delete(ledger).where(ledger.c.key.in_(old.scalar_subquery())))).rowcount
            deleted += last
        return deleted

    async def close(self) -> None:
        """Stop deleting."""
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)

    async def _keep_purging(self) -> None:
        while True:
            try:
                deleted = await self.purge()
            except Exception as error:  # noqa: BLE001  # the next round finds the same rows
                self._log.warning("ledger.purge_failed", reason=repr(error))
            else:
                if deleted:
                    self._log.info("ledger.purged", entries=deleted)
            await self._clock.sleep(self._settings.purge_time.total_seconds())


@service
async def once(
    settings: LedgerSettings, database: Database, schema: Schema, clock: Clock, log: Logger
) -> AsyncIterator[Ledger]:
    """Makes the effects of a call happen once, under a key that is kept with them."""
    schema.require(ledger_metadata, "ledger_metadata", "ctx.once()")
    opened = Ledger(database, settings, clock, log)
    try:
        yield opened
    finally:
        await opened.close()


def _entry(ctx: Context, key: str) -> dict[str, object]:
    return {
        "key": key,
        "caller_id": ctx.caller.id,
        "action": ctx.outermost.action_name,
        "status": APPLIED,
        "applied_at": ctx.now,
    }


async def _insert(work: Work, entry: dict[str, object]) -> bool:
    """Insert the entry if its key is new. Whoever is inserting the same one is waited for."""
    return (await work.execute(insert_if_new(work.engine, ledger, "key"), entry)).rowcount == 1


async def _complete(work: Work, entries: Sequence[tuple[Context, str]]) -> None:
    for call, key in entries:
        if "result" not in vars(call):
            raise Defect(
                f"{call.action_name} commits between ctx.once() and its end: its effects would stand without its "
                f"result. Leave the commit to the end of the call."
            )
        result = None if call.result is None else _encode(call.result)
        await work.execute(update(ledger).where(ledger.c.key == key).values(result=result))


def _misuse(ctx: Context, how: str) -> Defect:
    return Defect(f"{ctx.action_name} uses ctx.once() {how}.")
