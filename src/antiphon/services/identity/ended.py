"""What ended or changed while tokens of it may still be about: kept in the store and by every node, for ten minutes."""

# A token says by itself whom it stands for and until when. What it cannot say is that its sign-in has ended or that its
# user's roles have changed since. Both are kept for as long as a token of before could live, and asked at every call.
#
#     key      <prefix>:{ended.<SHA-256 of the user's id, 24 letters>}      one hash for each user: one read, one slot
#     field    s.<sid>     the sign-in (or API key) of this name has ended
#              rights      the version of the user's roles
#
# The store's word counts. Beside it each node remembers what it was told (Revocations), which is all there is while the
# store is away: then a call by a token goes on unless something was heard, and rules such as fresh() refuse it.

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from datetime import timedelta
from hashlib import sha256
from typing import Literal

from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.core.revocation import Revocations, Revoked
from antiphon.services.identity.claims import LEEWAY, Verified
from antiphon.services.identity.settings import LONGEST_ACCESS
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_MARK = Script.beside(__file__, "mark.lua")
KEPT = LONGEST_ACCESS + LEEWAY
_MOST_HEARD = 100_000

type Look = Literal["holds", "ended", "unconfirmed"]
"""Whether a credential still holds; unconfirmed while the store is away and nothing was heard against it."""


class TokenEnds:
    """Which tokens hold no longer. `mark` and `mark_rights` raise Unavailable when the store is away."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._sids: dict[str, float] = {}
        self._users: dict[str, int] = {}
        self._forget: Callable[[], None] | None = None

    def listen(self, revocations: Revocations) -> None:
        """Remember what every node is told."""
        self._forget = revocations.subscribe(self.heard)

    def close(self) -> None:
        """Listen no longer."""
        if self._forget is not None:
            self._forget()
            self._forget = None

    async def mark(self, user_id: str, sids: Iterable[str]) -> None:
        """These sign-ins of the user have ended: no token of them holds, on any node, from now on."""
        fields = [f"s.{sid}" for sid in sids]
        if fields:
            pairs = [text for field in fields for text in (field, "1")]
            await self._store.run(_MARK, [self._key(user_id)], [_millis(KEPT), *pairs])

    async def mark_rights(self, user_id: str, version: int) -> None:
        """The user's roles are of this version: tokens of an older one hold no longer."""
        await self._store.run(_MARK, [self._key(user_id)], [_millis(KEPT), "rights", version])

    async def look(self, known: Verified) -> Look:
        """Whether what was verified still holds."""
        caller = known.caller
        if caller.sid in self._sids:
            return "ended"
        try:
            ended, version = await self._store.trips.hmget(self._key(caller.id), [f"s.{caller.sid}", "rights"])
        except Unavailable:
            return "unconfirmed" if self._users.get(caller.id, -1) < known.issued else "ended"
        holds = ended is None and (version is None or int(version) <= caller.roles_version)
        return "holds" if holds else "ended"

    @property
    def remembered(self) -> int:
        """How much of what was heard is remembered."""
        return len(self._sids) + len(self._users)

    def heard(self, revoked: Revoked) -> None:
        """What a node was told."""
        if revoked.what == "session":
            now = self._clock.monotonic()
            self._sids.pop(revoked.id, None)
            self._sids[revoked.id] = now
            _drop_old(self._sids, now - KEPT.total_seconds())
        elif revoked.what in ("user", "rights"):
            now = int(self._clock.now().timestamp())
            self._users.pop(revoked.id, None)
            self._users[revoked.id] = now
            _drop_old(self._users, now - KEPT.total_seconds())

    def _key(self, user_id: str) -> str:
        user = urlsafe_b64encode(sha256(user_id.encode()).digest())[:24].decode()
        return self._store.key(f"{{ended.{user}}}")


def _drop_old(table: dict[str, float] | dict[str, int], before: float) -> None:
    """Forget what no token can outlive. Entries are in the order in which they were heard."""
    while table:
        name = next(iter(table))
        if table[name] >= before and len(table) <= _MOST_HEARD:
            return
        del table[name]


def _millis(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)
