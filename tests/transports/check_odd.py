"""Actions that start, and that somebody should look at before they are deployed."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from antiphon import Context, action, allow, anyone, get, limit, put


@action("odd:unlimited", get("/unlimited"), allow(anyone), limit(None))
async def unlimited(ctx: Context) -> AsyncIterator[int]:
    """Everybody may watch, as often as they like."""
    yield 1


@action("odd:cheap", get("/cheap"), allow(anyone), limit(None))
def cheap(ctx: Context) -> int:
    """Answered at once."""
    return 1


@action("odd:shapeless", put("/shapeless"), allow(anyone), limit(3, per="1m"))
async def shapeless(ctx: Context) -> msgspec.msgpack.Ext:
    """Something that JSON has no schema for."""
    raise NotImplementedError


ODD = {"odd:unlimited", "odd:shapeless"}
