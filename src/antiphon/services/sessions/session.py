"""The session of one call, as actions see it."""

# Who holds a socket or a stream of a session that ends must hear of it. So each change goes three steps, in this order:
#
#     1. the store     from here on the id is dead for every call, on every node
#     2. the facts     this call goes on as whoever it is now; its own connection hears of the change from them
#     3. the nodes     everybody else hears of it: `session` when it has ended, `moved` when it has a new id
#
# A client that signs out and closes the page cancels its call, so once begun the steps go to their end (`whole`).
#
# A socket does not follow its session to a new id. The id changes so that one that leaked before is of no use
# afterwards; a socket that was opened with the leaked one would keep what the change takes away. So sockets of the old
# id close in a way that lets their clients come back: the browser does with its new cookie, a thief has none.

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import msgspec

from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.session import Session, SessionEnded, SessionStarted
from antiphon.services.sessions.ledger import Ledger
from antiphon.services.sessions.record import Place, Record, new_sid, new_token


class StoredSession(Session):
    """What was found under the id that the client sent, and what becomes of it during the call."""

    __slots__ = ("_caller", "_ctx", "_ledger", "_place", "_record")

    def __init__(self, ctx: Context, ledger: Ledger, place: Place | None = None, record: Record | None = None) -> None:
        self._ctx = ctx
        self._ledger = ledger
        self._place = place
        self._record = record
        self._caller = record.caller if record is not None else None

    @property
    def caller(self) -> Caller | None:
        return self._caller

    @property
    def sid(self) -> str:
        return self._there()[1].sid

    @property
    def key(self) -> str:
        return self._there()[0].text

    @property
    def created_at(self) -> datetime:
        return _time(self._there()[1].created)

    @property
    def idle_at(self) -> datetime:
        return _time(self._there()[1].ends(self._ledger.idle, self._ledger.life))

    @property
    def expires_at(self) -> datetime:
        return _time(self._there()[1].created + self._ledger.life)

    async def start(self, caller: Caller) -> None:
        """Sign this caller in under a new id; an old session of this client is dead at once."""
        if caller.kind != "user" or not caller.id:
            raise ValueError("A session belongs to a user: give start() a Caller of the kind 'user' with its id.")
        await whole(self._start(caller))

    async def _start(self, caller: Caller) -> None:
        now, old = self._ledger.now(), self._record
        record = Record.of(caller, sid=caller.sid or new_sid(), created=now, touched=now)
        token = new_token(caller.id)
        ended = await self._ledger.add(Place.of(token), record, instead_of=self._place)
        self._begin(token, record)
        moved = [Revoked("moved", old.sid)] if old is not None else []
        await tell(self._ctx, *moved, *(Revoked("session", sid) for sid in ended))

    async def rotate(self, caller: Caller | None = None) -> None:
        """The same session under a new id, with new rights if a caller is given; the old id is dead at once."""
        place, record = self._there()
        caller = caller or record.caller
        if caller.kind != "user" or caller.id != record.user:
            raise ValueError("rotate() keeps the session of one user. Use start() to sign somebody else in.")
        await whole(self._rotate(place, record, caller))

    async def _rotate(self, place: Place, record: Record, caller: Caller) -> None:
        renewed = Record.of(caller, sid=record.sid, created=record.created, touched=self._ledger.now())
        renewed = msgspec.structs.replace(renewed, proved=renewed.proved or record.proved)
        token = new_token(caller.id)
        if not await self._ledger.replace(place, Place.of(token), renewed):
            # Ended from elsewhere since it was read: a new id must not bring it back.
            self._forget()
            raise NotSignedIn
        self._begin(token, renewed)
        await tell(self._ctx, Revoked("moved", record.sid))

    async def end(self) -> None:
        """Sign out. Without a session nothing happens."""
        if self._place is not None and self._record is not None:
            await whole(self._end(self._place, self._record.sid))

    async def _end(self, place: Place, sid: str) -> None:
        await self._ledger.end(place)
        self._forget()
        await tell(self._ctx, Revoked("session", sid))

    async def end_others(self) -> None:
        """End every other session of this user."""
        place, _ = self._there()
        await whole(self._end_others(place))

    async def _end_others(self, place: Place) -> None:
        ended = await self._ledger.end_others(place)
        await tell(self._ctx, *(Revoked("session", sid) for sid in ended))

    def _there(self) -> tuple[Place, Record]:
        if self._place is None or self._record is None:
            raise NotSignedIn
        return self._place, self._record

    def _begin(self, token: str, record: Record) -> None:
        self._place, self._record, self._caller = Place.of(token), record, record.caller
        left = record.created + self._ledger.life - self._ledger.now()
        self._ctx.tell(SessionStarted(token, max(1, left // 1000), record.sid))
        self._ctx.become(self._caller)

    def _forget(self) -> None:
        self._place = self._record = self._caller = None
        self._ctx.tell(SessionEnded())
        self._ctx.become(ANONYMOUS)


async def whole(steps: Coroutine[Any, Any, None]) -> None:
    """Take all of these steps, even when the call is cancelled after the first; the cancellation goes on then."""
    task = asyncio.create_task(steps)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        # Not for long: each step is bounded by the time of the store's commands.
        await asyncio.gather(task, return_exceptions=True)
        raise


async def tell(ctx: Context, *revoked: Revoked) -> None:
    """Tell every node, if anybody here holds sockets or streams. Raises Unavailable when they could not be told."""
    # Found and not needed: an application without channels and sockets opens no relay for its sessions.
    revocations = ctx.runtime.find(Revocations) if revoked else None
    if revocations is None:
        return
    told = await asyncio.gather(*map(revocations.publish, revoked), return_exceptions=True)
    # Each was tried, because this node hears of it whatever becomes of the others.
    for failure in told:
        if failure is not None:
            raise failure


def _time(millis: int) -> datetime:
    return datetime.fromtimestamp(millis / 1000, UTC)
