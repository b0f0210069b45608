"""Tickets: a session shown once by a client that can send no cookie, such as a browser's socket to another origin."""

# A ticket stands in the address of a handshake, where proxies and browsers may write it down. So it is worth little:
# it is 256 random bits, opens one socket, once, within half a minute, and that socket ends with the session.
#
#     key      <prefix>:{ticket.<SHA-256 of the ticket, hexadecimal>}
#     value    <where the session is> <when the ticket ends, in milliseconds since 1970>
#
# Taking one reads and deletes it in one command, so of two who show the same ticket one gets nothing. The value holds
# the session's place and not its id: neither the ticket nor the store's content lets anybody make a session's cookie.

from __future__ import annotations

import re
from datetime import UTC, datetime
from hashlib import sha256
from secrets import token_urlsafe
from typing import cast

from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn
from antiphon.core.inputs.kinds import Struct
from antiphon.services.sessions.settings import SessionSettings
from antiphon.stores.base import Store

_BYTES = 32
_FORM = re.compile(r"[A-Za-z0-9_-]{43}")


class Ticket(Struct):
    """What opens one socket as whoever is signed in here: `/ws?ticket=…`, once, until it ends."""

    ticket: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Ticket(***, expires_at={self.expires_at.isoformat()})"


class Tickets:
    """Makes and takes tickets. Both raise Unavailable when the store is away."""

    def __init__(self, store: Store, settings: SessionSettings, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._time = settings.ticket_time

    async def issue(self, ctx: Context) -> Ticket:
        """A new ticket for the session of this call. Raises NotSignedIn without a session."""
        session = await ctx.session()
        if session.caller is None:
            raise NotSignedIn("A ticket is for a session, and this call came without one. Sign in with session:create.")
        ticket = Ticket(token_urlsafe(_BYTES), self._clock.now() + self._time)
        ends = int(ticket.expires_at.timestamp() * 1000)
        life = int(self._time.total_seconds() * 1000)
        await self._store.client.set(self._key(ticket.ticket), f"{session.key} {ends}", px=life)
        return ticket

    async def take(self, text: str) -> str | None:
        """The `Session.key` of the session that the ticket was made in, or None. It is of no use again afterwards.

        The session may have ended since: give the key to the connection (`Connection.session_key`) and identify it.
        """
        if _FORM.fullmatch(text) is None:
            return None
        held = cast("bytes | None", await self._store.client.getdel(self._key(text)))
        if held is None:
            return None
        place, _, ends = held.decode().partition(" ")
        return place if datetime.fromtimestamp(int(ends) / 1000, UTC) > self._clock.now() else None

    def _key(self, ticket: str) -> str:
        return self._store.key(f"{{ticket.{sha256(ticket.encode()).hexdigest()}}}")
