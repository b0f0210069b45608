"""What the tests of the outbox and the ledger share: tables beside theirs, and calls that are repeated under a key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, select, update

from antiphon import (
    NAMES,
    SYSTEM,
    Action,
    App,
    Caller,
    Connection,
    Context,
    Database,
    Module,
    NotFound,
    Outbox,
    Schema,
    Store,
    Unavailable,
    Work,
    action,
    allow,
    anyone,
    get,
    put,
    service,
)
from antiphon.services.database.inserting import insert_if_new
from antiphon.services.database.ledger import ledger, ledger_metadata
from antiphon.services.streams.message import encode_job
from antiphon.services.streams.outbox import Row, Unsendable
from antiphon.services.streams.tables import outbox as outbox_table
from antiphon.services.streams.tables import outbox_metadata
from antiphon.testing.app import TestApp
from antiphon.testing.waiting import wait_until
from tests.services.streams_stage import message

METADATA = MetaData(naming_convention=NAMES)

counters = Table(
    "counters",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("value", Integer, nullable=False),
)
for part in (ledger_metadata, outbox_metadata):
    for table in part.tables.values():
        table.to_metadata(METADATA)

SCHEMA = Schema(METADATA, Path(__file__).with_name("outbox_migrations"))


def app_with(*modules: Module, schema: Schema = SCHEMA) -> App:
    """An application of these modules on the tables above."""
    return App("stage", modules=modules, values=[schema])


async def call_under(
    key: str, app: TestApp, action: Action[Any, Any], *args: object, caller: Caller = SYSTEM, **kwargs: object
) -> Any:
    """Call an action as a client or a job does that repeats itself under this key."""
    ctx = app.runtime.context(action, Connection("direct"), caller=caller)
    ctx.idempotency_key = key
    return await app.runtime.runner(action.name).run(ctx, lambda given: action.call(*given).inputs, (args, kwargs))


def database_of(app: TestApp) -> Database:
    """The database of a running application."""
    return app.runtime.require(Database, "the test")


async def numbers(app: TestApp) -> list[tuple[int, int]]:
    """The counters that are committed, with their values."""
    async with database_of(app).transaction() as work:
        return [(row.id, row.value) for row in await work.execute(select(counters).order_by(counters.c.id))]


async def entries(app: TestApp) -> list[str]:
    """The keys in the ledger."""
    async with database_of(app).transaction() as work:
        return [*await work.scalars(select(ledger.c.key).order_by(ledger.c.key))]


class Sheets:
    """Where the tests' own messages are sent: a list per sheet in the store, and whatever a test wants to go wrong."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.full: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[str] = []
        self.taken: Callable[[], Awaitable[None]] | None = None

    async def take(self, rows: Sequence[Row]) -> None:
        """Append the ids; never less than all of them."""
        target = rows[0].target
        self.asked.append(target)
        if target in self.full:
            raise Unavailable("The sheet is full.")
        if target in self.broken:
            raise ZeroDivisionError
        if any(row.message == b"unsendable" for row in rows):
            raise Unsendable("Nobody can read this.")
        pipeline: Any = self.store.client.pipeline(transaction=True)
        pipeline.rpush(self.key(target), *(row.id for row in rows))
        pipeline.expire(self.key(target), 600)
        await pipeline.execute()
        if self.taken is not None:
            await self.taken()

    async def sent(self, target: str = "sheet:a") -> list[str]:
        """The ids that have arrived, in order, a repeated one each time."""
        command: Any = self.store.client.execute_command("LRANGE", self.key(target), 0, -1)
        return [item.decode() for item in await command]

    async def receives(self, *ids: str, target: str = "sheet:a") -> None:
        """Wait until exactly these have arrived, in this order."""

        async def complete() -> bool:
            return await self.sent(target) == [*ids]

        await wait_until(complete, f"{ids} never arrived at {target}", within=20.0)

    async def has(self, *ids: str) -> None:
        """Wait until these have arrived, and nothing else; one that is sent again is the same."""

        async def complete() -> bool:
            return set(await self.sent()) == {*ids}

        await wait_until(complete, f"{ids} never arrived", within=20.0)

    def key(self, target: str) -> str:
        """The list of a target."""
        return self.store.key(target)


@service
async def sheets(outbox: Outbox, store: Store) -> AsyncIterator[Sheets]:
    """Sends the messages of the kind `sheet`."""
    opened = Sheets(store)
    outbox.deliver("sheet", opened.take)
    yield opened


@action("sheet:write", put("/sheet"), allow(anyone))
async def write(ctx: Context, id: str, *, target: str = "sheet:a", body: str = "m", fail: bool = False) -> bool:
    """Write a counter and leave a message; says whether the message waited for the commit."""
    work, outbox = ctx.get(Work), ctx.get(Outbox)
    await work.execute(insert_if_new(work.engine, counters, "id"), {"id": int(id[1:]), "value": 0})
    waits = outbox.open_in(ctx)
    await outbox.add(ctx, target, "", id, body.encode())
    if fail:
        raise NotFound
    return waits


@action("sheet:count", put("/count"), allow(anyone))
async def count_up(ctx: Context) -> int:
    """Count one counter up, and leave a message with what it came to, before it is written."""
    work, outbox = ctx.get(Work), ctx.get(Outbox)
    value = await work.scalar(select(counters.c.value).where(counters.c.id == 1).with_for_update()) or 0
    await outbox.add(ctx, "sheet:a", "1", f"n{value + 1}", b"")
    await work.execute(update(counters).where(counters.c.id == 1).values(value=value + 1))
    return value + 1


@action("sheet:peek", get("/peek"), allow(anyone))
async def peek(ctx: Context) -> bool:
    """Read, and ask whether a message would wait for a commit."""
    await ctx.get(Work).scalar(select(counters.c.id))
    return ctx.get(Outbox).open_in(ctx)


@action("sheet:early", put("/early"), allow(anyone))
async def ask_early(ctx: Context) -> bool:
    """Ask the same before the database was used."""
    return ctx.get(Outbox).open_in(ctx)


@action("sheet:jobs", put("/jobs"), allow(anyone))
async def queue_jobs(ctx: Context, count: int) -> None:
    """Leave so many jobs of the queue `mail`."""
    work, outbox = ctx.get(Work), ctx.get(Outbox)
    await work.execute(insert_if_new(work.engine, counters, "id"), {"id": 1, "value": count})
    for _ in range(count):
        job = message()
        await outbox.add(ctx, "jobs:mail", "", job.id, encode_job(job))


module = Module(__name__, needs=[Work, Sheets])


async def rows_left(app: TestApp) -> list[str]:
    """The targets of what is in the outbox."""
    async with database_of(app).transaction() as work:
        return [*await work.scalars(select(outbox_table.c.target).order_by(outbox_table.c.seq))]


async def forgets(app: TestApp, *targets: str) -> None:
    """Wait until nothing is left in the outbox but rows of these targets."""

    async def empty() -> bool:
        return await rows_left(app) == [*targets]

    await wait_until(empty, "what was sent was never deleted", within=20.0)
