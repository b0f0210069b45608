"""Antiphon on its own server: an action for each work, middlewares around the call, the counters a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import perf_counter
from typing import Any

import uvloop

from antiphon import App, Call, Context, Forbidden, Module, Next, action, allow, anyone, get, put, service
from bench.http.servers.items import Price, Quantity, Saved, Status, Tags, Title
from bench.http.servers.tally import Tally, blocked


class Counter:
    """How often the status was asked for."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@service
async def counter() -> AsyncIterator[Counter]:
    """The count of this server's life."""
    yield Counter()


@service
async def tally() -> AsyncIterator[Tally]:
    """What the middlewares have seen."""
    yield Tally()


@action("status:show", get("/status"), allow(anyone))
def show_status(ctx: Context) -> Status:
    """Works (a) and (c)."""
    counted = ctx.get(Counter)
    counted.count += 1
    return Status("bench", counted.count)


@action("item:put", put("/items/{item_id}"), allow(anyone))
def put_item(
    ctx: Context,
    item_id: int,
    title: Title,
    quantity: Quantity,
    price: Price,
    active: bool,
    tags: Tags,
    notify: bool = False,
) -> Saved:
    """Work (b)."""
    return Saved(item_id, notify, title, quantity, price, active, tags)


@action("tally:show", get("/tally"), allow(anyone))
def show_tally(ctx: Context) -> dict[str, int]:
    """What the middlewares have seen."""
    return ctx.get(Tally).shown()


async def timed(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Times the call. The request id is on every answer of Antiphon's already."""
    started = perf_counter()
    try:
        return await next(call, ctx)
    finally:
        ctx.get(Tally).time(perf_counter() - started)


async def counted(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Counts the call."""
    ctx.get(Tally).count()
    return await next(call, ctx)


async def checked(call: Call[Any], ctx: Context, next: Next) -> Any:
    """Refuses blocked agents."""
    if blocked(ctx.connection.agent):
        raise Forbidden
    return await next(call, ctx)


def build(*more: Module, layered: bool, **http: object) -> App:
    """The application; like its peers it writes no line for each call. Every guard is on."""
    here = Module(__name__, needs=[Counter, Tally])
    settings = {"log": {"level": "warning"}, "http": http}
    return App(
        "bench", modules=[here, *more], middleware=[timed, counted, checked] if layered else [], settings=settings
    )


async def _serve(app: App) -> None:
    await app.start(environ={}, listen=True)
    await asyncio.Event().wait()


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without: what `serve` does, without its signals."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(build(layered=layered, port=port)))
