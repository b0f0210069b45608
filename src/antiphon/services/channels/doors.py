"""Asks the door of a channel, under the same rules as a call: bounded in time, and nothing unexpected is told."""

from __future__ import annotations

import asyncio
from typing import Any

from antiphon.core.audit import Auditor
from antiphon.core.caller import Caller
from antiphon.core.channel import AnyChannel
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, TimedOut


async def admit(ctx: Context, channel: AnyChannel, arguments: dict[str, Any]) -> Caller:
    """Who is let in. Raises what the door raises, and Defect for everything that is no CallError."""
    calls = ctx.runtime.calls
    try:
        calls.enter(ctx)
        caller = await ctx.identify()
        await channel.door(ctx, **arguments)
        await ctx.finish(None)
    except BaseException as error:
        if ctx.steps:
            await ctx.finish(error)
        if isinstance(error, asyncio.CancelledError):
            if ctx.forgive_timeout():
                raise TimedOut from error
            raise
        if isinstance(error, CallError | Defect) or not isinstance(error, Exception):
            if (auditor := ctx.runtime.find(Auditor)) is not None:
                auditor.turned_away(ctx, error)
            raise
        ctx.log.error("channel.defect", error=error, channel=channel.name)
        raise Defect from error
    finally:
        calls.leave(ctx)
    return caller
