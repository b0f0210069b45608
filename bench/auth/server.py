"""The application that is measured: one action under each combination, and the accounts of Olympus beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import uvloop

from antiphon import (
    SYSTEM,
    App,
    Context,
    Module,
    Struct,
    action,
    allow,
    anyone,
    can,
    get,
    limit,
    put,
    service,
    signed_in,
)
from antiphon.modules import accounts
from antiphon.modules.accounts.roles import grant_role
from olympus.roles import roles
from olympus.tables import schema

PLENTY = 30_000_000
"""Calls a minute that no run reaches: every limit is counted, and none of them ever refuses."""

AT_ONCE = 1_000_000
ROLE, RIGHT = "staff", "order:edit"


class Answer(Struct):
    """What every case answers: made for each call, so that nobody can send a constant."""

    name: str
    count: int


class Counter:
    """How many calls were answered."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@service
async def counter() -> AsyncIterator[Counter]:
    """The count of this server's life."""
    yield Counter()


def _answer(ctx: Context) -> Answer:
    counted = ctx.get(Counter)
    counted.count += 1
    return Answer("bench", counted.count)


@action("case:free", get("/free"), allow(anyone), limit(None))
async def free(ctx: Context) -> Answer:
    """Nothing stands before it."""
    return _answer(ctx)


@action("case:known", get("/known"), allow(signed_in), limit(None))
async def known(ctx: Context) -> Answer:
    """Whoever is signed in."""
    return _answer(ctx)


@action("case:defaults", get("/defaults"), allow(anyone))
async def defaults(ctx: Context) -> Answer:
    """Everybody, under the limits that every action has."""
    return _answer(ctx)


@action("case:window", get("/window"), allow(anyone), limit(None), limit(PLENTY, per="1m", by="address"))
async def window(ctx: Context) -> Answer:
    """One sliding window."""
    return _answer(ctx)


@action("case:gcra", get("/gcra"), allow(anyone), limit(None), limit(PLENTY, per="1m", by="address", burst=AT_ONCE))
async def gcra(ctx: Context) -> Answer:
    """One even flow."""
    return _answer(ctx)


@action(
    "case:several",
    get("/several"),
    allow(anyone),
    limit(None),
    limit(PLENTY, per="1m", by="address"),
    limit(PLENTY * 10, per="1h", by="address"),
    limit(PLENTY, per="1m", by="address", burst=AT_ONCE),
    limit(PLENTY, per="2m", by="address", burst=AT_ONCE),
)
async def several(ctx: Context) -> Answer:
    """Four limits at once."""
    return _answer(ctx)


@action("case:both", get("/both"), allow(signed_in))
async def both(ctx: Context) -> Answer:
    """Whoever is signed in, under the limits that every action has."""
    return _answer(ctx)


@action(
    "case:all",
    get("/all"),
    allow(can(RIGHT)),
    limit(PLENTY, per="1m"),
    limit(PLENTY, per="1m", by="tenant", burst=AT_ONCE),
)
async def everything(ctx: Context) -> Answer:
    """A permission, the limits of user and tenant, and two more."""
    return _answer(ctx)


@action("person:promote", put("/promote"), allow(anyone), limit(PLENTY, per="1m", by="address"))
async def promote(ctx: Context, user_id: str) -> None:
    """Give somebody the role that the bench asks for; so open only here."""
    ctx.become(SYSTEM)
    await ctx.call(grant_role, user_id, ROLE)


def build(port: int, store: str, folder: str) -> App:
    """The application, every guard on; it writes no line for each call."""
    here = Module(__name__, needs=[Counter])
    settings: dict[str, dict[str, object]] = {
        "log": {"level": "error"},
        "http": {"port": port},
        "redis": {"url": store},
        # As wide as they go: what is measured is what they cost, not whom they refuse.
        "limits": {"scale": 1_000_000.0},
        "session": {"cookie_secure": False},
    }
    return App("bench", modules=[here, accounts], values=[schema, roles], settings=settings, folder=Path(folder))


async def _serve(app: App) -> None:
    await app.start(environ={}, listen=True)
    await asyncio.Event().wait()


def serve_on(port: int, store: str, folder: str) -> None:
    """Serve until ended."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(build(port, store, folder)))
