"""PLACEHOLDER until the real one is written."""
from collections.abc import AsyncIterator
from datetime import timedelta
import secrets
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.service import service
from antiphon.core.session import Session, SessionSource, SessionStarted, SessionEnded
from antiphon.stores.base import Store
DATA: dict[str, Caller] = {}
class S:
    def __init__(self, ctx: Context, token: str | None) -> None:
        self.ctx = ctx; self.token = token; self.created_at = ctx.now; self.idle_at = ctx.now; self.expires_at = ctx.now
    @property
    def caller(self) -> Caller | None: return DATA.get(self.token or "")
    async def start(self, caller: Caller) -> None:
        self.token = secrets.token_urlsafe(32); DATA[self.token] = caller; self.ctx.tell(SessionStarted(self.token, 86400)); self.ctx.become(caller)
    async def rotate(self, caller: Caller | None = None) -> None: ...
    async def end(self) -> None:
        DATA.pop(self.token or "", None); self.ctx.tell(SessionEnded()); self.ctx.become(ANONYMOUS)
    async def end_others(self) -> None: ...
class Sessions(SessionSource):
    async def session_of(self, ctx: Context) -> Session: return S(ctx, ctx.connection.session_token)
    async def end_all(self, user_id: str) -> None: ...
@service
async def sessions(store: Store) -> AsyncIterator[Sessions]:
    yield Sessions()
