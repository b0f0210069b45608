"""Actions under limits, to be called over every transport: one of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon import (
    ANONYMOUS,
    App,
    Caller,
    Context,
    Http,
    Module,
    Struct,
    Verdict,
    Websocket,
    action,
    allow,
    anyone,
    get,
    limit,
    put,
    service,
)
from antiphon.core.session import Identifier


class Tick(Struct):
    """One number."""

    n: int


class Nobody(Identifier):
    """Knows nobody."""

    async def identify(self, ctx: Context) -> Caller:
        return ANONYMOUS


@service
async def nobody() -> AsyncIterator[Nobody]:
    """Everybody is anonymous."""
    yield Nobody()


async def never(ctx: Context) -> Verdict:
    """Nobody may."""
    return Verdict(granted=False)


@action("limited:three", get("/three"), allow(anyone), limit(3, per="1h"), limit(None))
async def three(ctx: Context) -> int:
    """Three an hour."""
    return 3


@action("limited:two-kinds", get("/two-kinds"), allow(anyone), limit(2, per="1h", by="address", burst=1))
async def two_kinds(ctx: Context) -> int:
    """Under a limit of its own and the default of an address."""
    return 2


@action("limited:one", put("/one"), allow(anyone), limit(1, per="1h"), limit(None))
async def one(ctx: Context, number: int) -> int:
    """One an hour, with an input."""
    return number


@action("limited:strict", get("/strict"), allow(anyone), limit(3, per="1h", without_store="refuse"))
async def strict(ctx: Context) -> int:
    """Not without the store."""
    return 3


@action("limited:free", get("/free"), allow(anyone), limit(None))
def free(ctx: Context) -> int:
    """As often as anybody likes, at once."""
    return 0


@action("limited:closed", get("/closed"), allow(never))
async def closed(ctx: Context) -> int:
    """Nobody gets here."""
    return 0


@action("limited:ticks", get("/ticks"), allow(anyone), limit(2, per="1h"), limit(None))
async def ticks(ctx: Context, to: int = 2) -> AsyncIterator[Tick]:
    """Two streams an hour."""
    for n in range(1, to + 1):
        yield Tick(n)


app = App("limited", modules=[Module(__name__)], transports=[Http(), Websocket()])
