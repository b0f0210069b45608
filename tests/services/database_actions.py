"""Actions on the tables of the stage: what a call does with its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

from sqlalchemy import insert, select, text

from antiphon import Context, Module, NotFound, Work, action, allow, anyone, get, post, put, timeout
from tests.services.database_stage import ENDLESS, counters

module = Module(__name__, needs=[Work])


@action("numbers:add", put("/numbers"), allow(anyone))
async def add(ctx: Context, number: int, *, fail: bool = False) -> int:
    """Write a number, and fail after it if asked to."""
    await ctx.get(Work).execute(insert(counters), {"id": number, "value": 0})
    if fail:
        raise NotFound("Failed as asked.")
    return number


@action("numbers:double", put("/numbers/both"), allow(anyone))
async def add_both(ctx: Context, number: int, *, fail: bool = False) -> int:
    """Write two numbers by two calls, in one transaction."""
    await ctx.call(add, number)
    return await ctx.call(add, number + 1, fail=fail)


@action("numbers:list", get("/numbers"), allow(anyone))
async def list_numbers(ctx: Context) -> list[int]:
    """The numbers that are there."""
    return [*await ctx.get(Work).scalars(select(counters.c.id).order_by(counters.c.id))]


@action("numbers:sneak", get("/numbers/sneak"), allow(anyone))
async def sneak(ctx: Context) -> int:
    """Write in a GET."""
    await ctx.get(Work).execute(insert(counters), {"id": 1, "value": 0})
    return 1


@action("numbers:pour", post("/numbers/pour"), allow(anyone))
async def pour(ctx: Context, fail_at: int) -> AsyncIterator[int]:
    """Write numbers, one for each item, and fail at one of them."""
    for number in range(1, 5):
        await ctx.get(Work).execute(insert(counters), {"id": number, "value": 0})
        if number == fail_at:
            raise NotFound("Failed as asked.")
        yield number


@action("numbers:wait", get("/numbers/wait"), allow(anyone), timeout(timedelta(milliseconds=1500)))
async def wait(ctx: Context, engine: str) -> int:
    """Ask something that takes far longer than the call may."""
    await ctx.get(Work).execute(text(ENDLESS[engine]))
    return 0


@action("numbers:hold", get("/numbers/hold"), allow(anyone), timeout(timedelta(milliseconds=1500)))
async def hold(ctx: Context) -> int:
    """Ask something, then wait for something else for far too long."""
    await ctx.get(Work).execute(select(counters))
    await asyncio.Event().wait()
    return 0
