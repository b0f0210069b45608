"""An application that leans on a database and a store, to be run as a process of its own and made to suffer."""

from __future__ import annotations

import asyncio
import gc
import os
from pathlib import Path

from sqlalchemy import func, insert, select

from antiphon import App, Context, Http, Module, Store, Struct, Work, action, allow, anyone, get, put
from tests.services.database_stage import SCHEMA, counters


class Number(Struct):
    number: int


class Heap(Struct):
    settled: int
    walked: int


@action("row:add", put("/row", status=201), allow(anyone))
async def add_row(ctx: Context, number: int) -> Number:
    """Write a row."""
    await ctx.get(Work).execute(insert(counters), {"id": number, "value": number})
    return Number(number)


@action("row:count", get("/rows"), allow(anyone))
async def count_rows(ctx: Context) -> Number:
    """Count the rows."""
    return Number((await ctx.get(Work).execute(select(func.count()).select_from(counters))).scalar_one())


@action("key:set", put("/key", status=201), allow(anyone))
async def set_key(ctx: Context, number: int) -> Number:
    """Keep a number in the store for a while."""
    store = ctx.get(Store)
    await store.client.set(store.key("number"), number, ex=60)
    return Number(number)


@action("row:wait", put("/wait"), allow(anyone))
async def wait(ctx: Context) -> Number:
    """Never end."""
    await asyncio.Event().wait()
    return Number(0)


@action("heap:show", get("/heap"), allow(anyone))
async def show_heap(ctx: Context) -> Heap:
    """Say what the collector of cycles leaves out."""
    return Heap(gc.get_freeze_count(), len(gc.get_objects()))


app = App(
    "suffering",
    modules=[Module(__name__, needs=[Work, Store])],
    transports=[Http()],
    values=[SCHEMA],
    folder=Path(os.environ.get("APP_HOME", ".")),
)

if __name__ == "__main__":
    app.main()
