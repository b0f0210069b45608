"""Counts, one tick at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from msgspec import Meta

from antiphon import Context, Struct, action, allow, anyone, get, limit

TICK_SECONDS = 0.1


class Tick(Struct):
    """One number."""

    n: int


@action("streaming:counter", get("/streaming/counter"), allow(anyone), limit(None))
async def count(ctx: Context, to: Annotated[int, Meta(ge=1, le=100)] = 5) -> AsyncIterator[Tick]:
    """Count from 1, a tenth of a second apart."""
    for n in range(1, to + 1):
        if n > 1:
            await ctx.sleep(TICK_SECONDS)
        yield Tick(n)
