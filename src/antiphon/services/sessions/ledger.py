"""Reads and writes sessions in the store: each change is one step, whatever else happens at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.services.sessions.record import (
    MOVED_MILLIS,
    RIGHTS,
    Absent,
    Place,
    Record,
    Rights,
    decode,
    decode_rights,
    encode,
    key_of_user,
)
from antiphon.services.sessions.settings import SessionSettings
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_PUT = Script.beside(__file__, "put.lua")
_TOUCH = Script.beside(__file__, "touch.lua")
_LEAVE = Script.beside(__file__, "leave.lua")
_KEEP = Script.beside(__file__, "keep.lua")
_DROP = Script.beside(__file__, "drop.lua")
_RIGHTS = Script.beside(__file__, "rights.lua")


class Ledger:
    """The sessions in the store, by their places. Every method raises Unavailable when the store is away."""

    def __init__(self, store: Store, settings: SessionSettings, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._most = settings.per_user
        self.idle = _millis(settings.idle_time.total_seconds())
        self.life = _millis(settings.life_time.total_seconds())
        self._touch = _millis(settings.touch_time.total_seconds())

    def now(self) -> int:
        """The time in milliseconds, by the application's clock."""
        return _millis(self._clock.now().timestamp())

    async def read(self, place: Place, *, moves_on: bool = True) -> Record | Absent:
        """The session at this place, its idle life moved on when that is due. One trip; two once a minute."""
        value, held = await self._store.trips.hmget(self._key(place), [place.field, RIGHTS])
        now = self.now()
        record = self._living(decode(value), now)
        if isinstance(record, Record) and moves_on and now - record.touched >= self._touch:
            try:
                record = await self._move_on(place, cast("bytes", value), record, now)
            except Unavailable:
                # It was read, so it is valid. A store that takes no writes, such as a full one, signs nobody out.
                pass
        if isinstance(record, Absent):
            return record
        try:
            return record.under(decode_rights(held))
        except msgspec.DecodeError:
            # Written by another version of this program: what was taken from the user is not known.
            return Absent.ENDED

    async def add(self, place: Place, record: Record, *, instead_of: Place | None) -> list[str]:
        """Put a session there. The old one, if one is given, is dead from the same moment on.

        Gives the sids of the oldest sessions that had to end for it.
        """
        if instead_of is not None and instead_of.user != place.user:
            # Somebody else's. First, because a step between the two must not leave the old id alive.
            await self._store.run(_LEAVE, [self._key(instead_of)], [instead_of.field, self.now()])
            instead_of = None
        return await self._put(place, record, old=instead_of, must=False) or []

    async def replace(self, old: Place, place: Place, record: Record) -> bool:
        """Put a session in the place of an old one; False, and nothing is changed, when the old one has ended."""
        return await self._put(place, record, old=old, must=True) is not None

    async def end(self, place: Place) -> None:
        """End one session."""
        await self._store.client.hdel(self._key(place), place.field)

    async def end_others(self, place: Place) -> list[str]:
        """End every session of the user of this one, but this one. Gives the sids of those that ended."""
        return _texts(await self._store.run(_KEEP, [self._key(place)], [place.field]))

    async def renew(self, user_id: str, rights: Rights) -> None:
        """Let every session of a user have these rights from now on, unless it has newer ones."""
        key = self._store.key(key_of_user(user_id))
        await self._store.run(_RIGHTS, [key], [rights.version, encode(rights), MOVED_MILLIS])

    async def end_named(self, user_id: str, sids: Sequence[str]) -> None:
        """End the sessions of a user that have these names."""
        await self._store.run(_DROP, [self._store.key(key_of_user(user_id))], sids)

    async def end_all(self, user_id: str) -> None:
        """End every session of a user."""
        await self._store.client.unlink(self._store.key(key_of_user(user_id)))

    async def _move_on(self, place: Place, value: bytes, record: Record, now: int) -> Record | Absent:
        moved = msgspec.structs.replace(record, touched=now)
        left = moved.ends(self.idle, self.life) - now
        there = await self._store.run(_TOUCH, [self._key(place)], [place.field, value, encode(moved), left])
        return self._living(decode(there), now)

    async def _put(self, place: Place, record: Record, *, old: Place | None, must: bool) -> list[str] | None:
        args = [
            place.field,
            encode(record),
            old.field if old is not None else "",
            "1" if must else "0",
            self.now(),
            self.idle,
            self.life,
            self._most,
            MOVED_MILLIS,
        ]
        ended = await self._store.run(_PUT, [self._key(place)], args)
        return None if ended is None else _texts(ended)

    def _living(self, record: Record | Absent, now: int) -> Record | Absent:
        if isinstance(record, Record) and record.ends(self.idle, self.life) <= now:
            return Absent.ENDED
        return record

    def _key(self, place: Place) -> str:
        return self._store.key(place.key)


def _texts(answer: list[bytes]) -> list[str]:
    return [text.decode() for text in answer]


def _millis(seconds: float) -> int:
    return int(seconds * 1000)
