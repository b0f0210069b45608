"""Counts the sockets of each user over all processes: each has a seat in the store for as long as it is open."""

# Each process counts what it has itself; that alone would let a user have as many times more as there are processes.
#
#     key      <prefix>:{sockets.<SHA-256 of the user's id, 24 letters>}    sorted: a socket's id, until when it is held
#     take     before a socket opens, and when somebody signs in on one; one step, so the last seat is taken once
#     hold     every third of its time, those of one user together
#     leave    when it closes
#
# A process that dies leaves seats behind, which are free after `HELD`. While the store is away nobody is refused for
# it: each process then has its own count, which is what it had to begin with.

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256

from antiphon.core.errors import Unavailable
from antiphon.stores.base import Store
from antiphon.stores.script import Script

HELD = timedelta(seconds=60)
HOLD_EVERY_SECONDS = HELD.total_seconds() / 3

_TAKE = Script.beside(__file__, "take.lua")
_ANY_NUMBER = 1_000_000


class Seats:
    """The seats of users at every process; without a store there is room for everybody."""

    def __init__(self, store: Store | None, most: int) -> None:
        self._store = store
        self._most = most

    async def take(self, user_id: str, socket_id: str) -> bool:
        """Whether there is room for one more socket of the user; it has its seat then."""
        return await self._run(user_id, self._most, (socket_id,))

    async def hold(self, user_id: str, socket_ids: Iterable[str]) -> None:
        """These sockets are open: they keep their seats, and get those that they had to do without."""
        await self._run(user_id, _ANY_NUMBER, socket_ids)

    async def leave(self, user_id: str, socket_id: str) -> None:
        """A socket is no longer the user's."""
        if self._store is not None:
            try:
                await self._store.trips.zrem(self._key(self._store, user_id), socket_id)
            except Unavailable:
                # It is free when its time is over.
                return

    async def _run(self, user_id: str, most: int, socket_ids: Iterable[str]) -> bool:
        if self._store is None:
            return True
        args = [most, int(HELD.total_seconds() * 1000), *socket_ids]
        try:
            return bool(await self._store.trips.run(_TAKE, [self._key(self._store, user_id)], args))
        except Unavailable:
            return True

    @staticmethod
    def _key(store: Store, user_id: str) -> str:
        user = urlsafe_b64encode(sha256(user_id.encode()).digest())[:24].decode()
        return store.key(f"{{sockets.{user}}}")
