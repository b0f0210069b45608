"""The sessions of an application: gives each call its own, and ends all of a user's at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from antiphon.core.caller import Caller
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.revocation import Revoked
from antiphon.core.service import service
from antiphon.core.session import SessionEnded, SessionSource, SessionStarted
from antiphon.services.sessions.ledger import Ledger
from antiphon.services.sessions.record import Absent, Place, Rights, is_token
from antiphon.services.sessions.session import StoredSession, tell, whole
from antiphon.services.sessions.settings import SessionSettings
from antiphon.services.sessions.tickets import Tickets
from antiphon.stores.base import Store


class Sessions(SessionSource):
    """Who is signed in, in the store. Without the store a session cannot be read: Unavailable, never anonymous."""

    def __init__(self, store: Store, settings: SessionSettings, clock: Clock) -> None:
        self._ledger = Ledger(store, settings, clock)

    @property
    def idle_time(self) -> timedelta:
        """How long a session lives without a call."""
        return timedelta(milliseconds=self._ledger.idle)

    async def session_of(self, ctx: Context) -> StoredSession:
        """The session that this call came with; one trip to the store, and none when the client sent no id."""
        place = _place(ctx)
        if place is None:
            return StoredSession(ctx, self._ledger)
        found = await self._ledger.read(place, moves_on=not ctx.connection.by_itself)
        if not isinstance(found, Absent):
            session = StoredSession(ctx, self._ledger, place, found)
            if found.behind and _takes_new_id(ctx):
                await session.rotate()
            return session
        if found is Absent.ENDED:
            # The client carries an id that will never be of use again; without this, every later call costs a read.
            ctx.tell(SessionEnded(found_dead=True))
        return StoredSession(ctx, self._ledger)

    async def renew(self, ctx: Context, caller: Caller) -> None:
        """Let every session of a user have the roles of this caller from now on, and tell every node.

        The next call has them, open sockets and streams are asked again, and nobody is signed out. An older
        `roles_version` than the one that is there changes nothing. A session gets a new id with its next HTTP call.
        """
        await whole(self._renew(ctx, caller))

    async def _renew(self, ctx: Context, caller: Caller) -> None:
        await self._ledger.renew(caller.id, Rights(caller.roles_version, tuple(sorted(caller.roles))))
        await tell(ctx, Revoked("rights", caller.id))

    async def end_named(self, ctx: Context, user_id: str, sids: Sequence[str]) -> None:
        """End the sign-ins of a user that have these names; their sockets and streams close on every node.

        Those that are no sessions, because they have tokens or keys, are told of as well.
        """
        if sids:
            await whole(self._end_named(ctx, user_id, sids))

    async def _end_named(self, ctx: Context, user_id: str, sids: Sequence[str]) -> None:
        await self._ledger.end_named(user_id, sids)
        await tell(ctx, *(Revoked("session", sid) for sid in sids))

    async def end_all(self, ctx: Context, user_id: str) -> None:
        """End every session of a user at once: what disabling and deleting ask for.

        Their sockets and streams close on every node within a second.
        """
        await whole(self._end_all(ctx, user_id))

    async def _end_all(self, ctx: Context, user_id: str) -> None:
        await self._ledger.end_all(user_id)
        await tell(ctx, Revoked("user", user_id))


def _takes_new_id(ctx: Context) -> bool:
    """Whether the answer to this call can carry a new id to the client that keeps it."""
    connection = ctx.connection
    return connection.type == "http" and not connection.by_itself and connection.session_key is None


def _place(ctx: Context) -> Place | None:
    """Where to look: what this call itself has begun or ended counts before what the client sent."""
    for fact in reversed(ctx.facts or ()):
        if isinstance(fact, SessionStarted):
            return Place.of(fact.token)
        if isinstance(fact, SessionEnded):
            return None
    connection = ctx.connection
    if connection.bearer is not None:
        # The token wins, and the cookie beside it is not read.
        return None
    if connection.session_key is not None:
        return Place.read(connection.session_key)
    token = connection.session_token
    # What does not look like ours is left alone: it may be another program's cookie on the same host.
    return Place.of(token) if token is not None and is_token(token) else None


@service
async def sessions(store: Store, settings: SessionSettings, clock: Clock) -> AsyncIterator[Sessions]:
    """Browser sessions; the store must be there when one is read, not when the application starts."""
    yield Sessions(store, settings, clock)


@service
async def tickets(store: Store, settings: SessionSettings, clock: Clock) -> AsyncIterator[Tickets]:
    """Tickets for sockets; the store must be there when one is made or taken."""
    yield Tickets(store, settings, clock)
