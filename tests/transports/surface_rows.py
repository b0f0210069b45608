"""Actions that write into a database and wait, for the tests of what becomes of a call's transaction."""

from __future__ import annotations

from sqlalchemy import func, insert, select

from antiphon import Context, Work, action, allow, anyone
from tests.services.database_stage import counters
from tests.transports.surface import Watch
from tests.transports.surface_channels import Posted, news


@action("row:add", allow(anyone))
async def add_row(ctx: Context, number: int) -> None:
    """Write a row, show an event, and end when the test says so."""
    watch = ctx.get(Watch)
    await ctx.get(Work).execute(insert(counters), {"id": number, "value": number})
    await news().publish(ctx, Posted(str(number)))
    watch.event("row written").set()
    await watch.event("row goes on").wait()


@action("row:count", allow(anyone))
async def count_rows(ctx: Context) -> int:
    """Count the rows."""
    return (await ctx.get(Work).execute(select(func.count()).select_from(counters))).scalar_one()


NEEDS = (Work,)
