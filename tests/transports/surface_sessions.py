"""The actions that sign the callers of the tests of sockets in and out, by sessions as they are in the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from antiphon import (
    Caller,
    Context,
    Forbidden,
    Sessions,
    Ticket,
    Tickets,
    action,
    allow,
    anyone,
    delete,
    get,
    post,
    put,
    signed_in,
)
from tests.transports.surface import Watch, Word
from tests.transports.surface_streams import Tick


@action("session:create", allow(anyone), put("/session", status=201))
async def create_session(ctx: Context, name: str) -> Word:
    """Sign in as whoever."""
    await (await ctx.session()).start(Caller("user", name))
    return Word(name)


@action("session:destroy", allow(signed_in), delete("/session"))
async def destroy_session(ctx: Context, fail: bool = False) -> None:
    """Sign out."""
    await (await ctx.session()).end()
    if fail:
        raise Forbidden


@action("session:rotate", allow(signed_in), post("/session/rotate"))
async def rotate_session(ctx: Context) -> None:
    """Get a new id."""
    await (await ctx.session()).rotate()


@action("session:end-others", allow(signed_in), post("/session/others"))
async def end_others(ctx: Context) -> None:
    """End the other sessions."""
    await (await ctx.session()).end_others()


@action("user:disable", allow(anyone), post("/disable"))
async def disable(ctx: Context, name: str) -> None:
    """End every session of somebody."""
    await ctx.get(Sessions).end_all(ctx, name)


@action("socket:ticket", allow(signed_in), post("/socket/ticket", status=201))
async def make_ticket(ctx: Context) -> Ticket:
    """A ticket for a socket."""
    return await ctx.get(Tickets).issue(ctx)


@action("who:am", allow(signed_in), get("/who"))
async def who_am_i(ctx: Context) -> Word:
    """Say who calls."""
    return Word(ctx.caller.id)


@action("who:slow", allow(anyone))
async def who_was_i(ctx: Context) -> Any:
    """Say who calls, when the test says so."""
    watch = ctx.get(Watch)
    watch.event("who began").set()
    await watch.event("who goes on").wait()
    return Word((await ctx.identify()).id)


@action("count:endless", allow(anyone))
async def count_endlessly(ctx: Context) -> AsyncIterator[Tick]:
    """Count to one, and wait for ever."""
    try:
        yield Tick(1)
        await asyncio.Event().wait()
    finally:
        ctx.get(Watch).event("closed").set()


NEEDS = (Sessions, Tickets)
