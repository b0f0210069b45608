"""The session of one call, as actions see it."""

from __future__ import annotations

from datetime import UTC, datetime

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn
from antiphon.core.session import Session, SessionEnded, SessionStarted
from antiphon.services.sessions.ledger import Ledger
from antiphon.services.sessions.record import Record, new_token


class StoredSession(Session):
    """What was found under the id that the client sent, and what becomes of it during the call."""

    __slots__ = ("_caller", "_ctx", "_ledger", "_record", "_token")

    def __init__(self, ctx: Context, ledger: Ledger, token: str | None = None, record: Record | None = None) -> None:
        self._ctx = ctx
        self._ledger = ledger
        self._token = token
        self._record = record
        self._caller = record.caller if record is not None else None

    @property
    def caller(self) -> Caller | None:
        return self._caller

    @property
    def created_at(self) -> datetime:
        return _time(self._there().created)

    @property
    def idle_at(self) -> datetime:
        return _time(self._there().ends(self._ledger.idle, self._ledger.life))

    @property
    def expires_at(self) -> datetime:
        return _time(self._there().created + self._ledger.life)

    async def start(self, caller: Caller) -> None:
        """Sign this caller in under a new id; an old session of this client is dead at once."""
        if caller.kind != "user" or not caller.id:
            raise ValueError("A session belongs to a user: give start() a Caller of the kind 'user' with its id.")
        now = self._ledger.now()
        record = Record.of(caller, created=now, touched=now)
        token = new_token(caller.id)
        await self._ledger.add(token, record, instead_of=self._token)
        self._begin(token, record)

    async def rotate(self, caller: Caller | None = None) -> None:
        """The same session under a new id, with new rights if a caller is given; the old id is dead at once."""
        record = self._there()
        caller = caller or record.caller
        if caller.kind != "user" or caller.id != record.user:
            raise ValueError("rotate() keeps the session of one user. Use start() to sign somebody else in.")
        renewed = Record.of(caller, created=record.created, touched=self._ledger.now())
        token = new_token(caller.id)
        if self._token is None or not await self._ledger.replace(self._token, token, renewed):
            # Ended from elsewhere since it was read: a new id must not bring it back.
            self._forget()
            raise NotSignedIn
        self._begin(token, renewed)

    async def end(self) -> None:
        """Sign out. Without a session nothing happens."""
        if self._token is None or self._record is None:
            return
        await self._ledger.end(self._token)
        self._forget()

    async def end_others(self) -> None:
        """End every other session of this user."""
        self._there()
        if self._token is not None:
            await self._ledger.end_others(self._token)

    def _there(self) -> Record:
        if self._record is None:
            raise NotSignedIn
        return self._record

    def _begin(self, token: str, record: Record) -> None:
        self._token, self._record, self._caller = token, record, record.caller
        left = record.created + self._ledger.life - self._ledger.now()
        self._ctx.tell(SessionStarted(token, max(1, left // 1000)))
        self._ctx.become(self._caller)

    def _forget(self) -> None:
        self._token = self._record = self._caller = None
        self._ctx.tell(SessionEnded())
        self._ctx.become(ANONYMOUS)


def _time(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
