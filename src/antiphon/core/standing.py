"""Who a socket is: its caller, the session it stands in, and when that has to be looked at again."""

# A socket outlives what opened it. What ends it before it closes by itself:
#
#   a sign-out, a revoke, a change of rights    told by name, and the socket is closed within a second (desk.py)
#   the idle or the whole life of its session   nobody tells: it is looked at again when it should be over
#   a relay that was broken                     something may not have been told: everybody is looked at again
#
# Looking is the server's own question, so it keeps no session alive.

from __future__ import annotations

from math import inf
from typing import NamedTuple

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.session import SessionSource

SOONEST_SECONDS = 1.0


class Standing(NamedTuple):
    """Who it is. `look_at` is seconds of the application's monotonic clock; without a session it never comes."""

    caller: Caller = ANONYMOUS
    sid: str = ""
    look_at: float = inf


NOBODY = Standing()


async def find_standing(ctx: Context) -> Standing:
    """Who the connection of this context is now. Raises Unavailable when that cannot be read."""
    caller = await ctx.identify()
    if not caller.signed_in or ctx.connection.bearer is not None or ctx.runtime.find(SessionSource) is None:
        return Standing(caller)
    session = await ctx.session()
    if session.caller is None:
        # Known by something else than a session.
        return Standing(caller)
    left = (session.idle_at - ctx.now).total_seconds()
    return Standing(caller, session.sid, ctx.runtime.clock.monotonic() + max(SOONEST_SECONDS, left))
