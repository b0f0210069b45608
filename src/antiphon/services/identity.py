"""PLACEHOLDER until the real one is written."""
from collections.abc import AsyncIterator
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.service import service
from antiphon.core.session import Identifier, SessionSource
class SessionIdentifier(Identifier):
    async def identify(self, ctx: Context) -> Caller:
        session = await ctx.session()
        return session.caller or ANONYMOUS
@service
async def identifier(sessions: SessionSource) -> AsyncIterator[SessionIdentifier]:
    yield SessionIdentifier()
