"""Who makes a call: found from what the call came with."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.service import service
from antiphon.core.session import Identifier, SessionSource


class CallerIdentifier(Identifier):
    """Knows callers by their session. A bearer token beside it wins, and today no token verifies."""

    async def identify(self, ctx: Context) -> Caller:
        """The caller; anonymous when credentials are missing or do not verify."""
        if ctx.connection.bearer is not None:
            # A token that does not verify makes the caller anonymous: falling back to the cookie would let a call act
            # as somebody it did not mean to be.
            return ANONYMOUS
        session = await ctx.session()
        return session.caller or ANONYMOUS


@service
async def identifier(sessions: SessionSource) -> AsyncIterator[CallerIdentifier]:
    """Identifies callers. It needs sessions, which `ctx.session()` reads for it."""
    yield CallerIdentifier()
