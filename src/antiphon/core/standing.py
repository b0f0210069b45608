"""Who a socket or a stream is: its caller, the session it stands in, and when that has to be looked at again."""

# Both outlive what opened them. What ends one before it closes by itself:
#
#   a sign-out, a revoke, a change of rights    told by name, and it is closed within a second
#   the idle or the whole life of its session   nobody tells: it is looked at again when it should be over
#   the end of its token or API key             the same; a `token` frame with the next one comes before
#   a relay that was broken                     something may not have been told: everybody is looked at again
#
# Looking is the server's own question, so it keeps no session alive.

from __future__ import annotations

from datetime import datetime
from math import inf
from typing import NamedTuple

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.session import CredentialShown, SessionSource

SOONEST_SECONDS = 1.0
LOOKS_AT_ONCE = 8
"""A node asks about so many at a time, however many are over at once."""

LOOK_AGAIN_SECONDS = 5.0
"""When nobody can say who it is, such as a store that is away: that ends nobody's session, and it is asked again."""


class Standing(NamedTuple):
    """Who it is. `look_at` is seconds of the application's monotonic clock; without a session it never comes."""

    caller: Caller = ANONYMOUS
    sid: str = ""
    look_at: float = inf


NOBODY = Standing()


async def find_standing(ctx: Context) -> Standing:
    """Who the connection of this context is now. Raises Unavailable when that cannot be read."""
    caller = await ctx.identify()
    if ctx.connection.bearer is not None:
        shown = ctx.told(CredentialShown)
        return Standing(caller) if shown is None else Standing(caller, caller.sid, _when(ctx, shown.ends_at))
    if not caller.signed_in or ctx.runtime.find(SessionSource) is None:
        return Standing(caller)
    session = await ctx.session()
    if session.caller is None:
        # Known by something else than a session.
        return Standing(caller)
    return Standing(caller, session.sid, _when(ctx, session.idle_at))


def _when(ctx: Context, ends_at: datetime) -> float:
    """That time by the monotonic clock, and not before the next look can be."""
    left = (ends_at - ctx.now).total_seconds()
    return ctx.runtime.clock.monotonic() + max(SOONEST_SECONDS, left)
