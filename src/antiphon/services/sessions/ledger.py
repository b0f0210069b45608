"""Reads and writes sessions in the store: each change is one step, whatever else happens at the same time."""

from __future__ import annotations

from typing import cast

import msgspec

from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.services.sessions.record import (
    MOVED_MILLIS,
    Absent,
    Record,
    decode,
    encode,
    field_of,
    key_of,
    key_of_user,
)
from antiphon.services.sessions.settings import SessionSettings
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_PUT = Script.beside(__file__, "put.lua")
_TOUCH = Script.beside(__file__, "touch.lua")
_LEAVE = Script.beside(__file__, "leave.lua")
_KEEP = Script.beside(__file__, "keep.lua")


class Ledger:
    """The sessions in the store, by their ids. Every method raises Unavailable when the store is away."""

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

    async def read(self, token: str) -> Record | Absent:
        """The session under this id, its idle life moved on when that is due. One trip; two once a minute."""
        value = await self._store.client.hget(self._key(token), field_of(token))
        now = self.now()
        record = self._living(decode(cast("bytes | None", value)), now)
        if isinstance(record, Absent) or now - record.touched < self._touch:
            return record
        try:
            return await self._move_on(token, cast("bytes", value), record, now)
        except Unavailable:
            # It was read, so it is valid. A store that takes no writes, such as a full one, need not sign people out.
            return record

    async def add(self, token: str, record: Record, *, instead_of: str | None) -> None:
        """Put a session there. The old one, if one is given, is dead from the same moment on."""
        if instead_of is not None and key_of(instead_of) != key_of(token):
            # Somebody else's. First, because a step between the two must not leave the old id alive.
            await self._store.run(_LEAVE, [self._key(instead_of)], [field_of(instead_of), self.now()])
            instead_of = None
        await self._put(token, record, old=instead_of, must=False)

    async def replace(self, old: str, token: str, record: Record) -> bool:
        """Put a session in the place of an old one; False, and nothing is changed, when the old one has ended."""
        return await self._put(token, record, old=old, must=True)

    async def end(self, token: str) -> None:
        """End one session."""
        await self._store.client.hdel(self._key(token), field_of(token))

    async def end_others(self, token: str) -> None:
        """End every session of the user of this one, but this one."""
        await self._store.run(_KEEP, [self._key(token)], [field_of(token)])

    async def end_all(self, user_id: str) -> None:
        """End every session of a user."""
        await self._store.client.unlink(self._store.key(key_of_user(user_id)))

    async def _move_on(self, token: str, value: bytes, record: Record, now: int) -> Record | Absent:
        moved = msgspec.structs.replace(record, touched=now)
        left = moved.ends(self.idle, self.life) - now
        there = await self._store.run(_TOUCH, [self._key(token)], [field_of(token), value, encode(moved), left])
        return self._living(decode(there), now)

    async def _put(self, token: str, record: Record, *, old: str | None, must: bool) -> bool:
        args = [
            field_of(token),
            encode(record),
            field_of(old) if old is not None else "",
            "1" if must else "0",
            self.now(),
            self.idle,
            self.life,
            self._most,
            MOVED_MILLIS,
        ]
        return bool(await self._store.run(_PUT, [self._key(token)], args))

    def _living(self, record: Record | Absent, now: int) -> Record | Absent:
        if isinstance(record, Record) and record.ends(self.idle, self.life) <= now:
            return Absent.ENDED
        return record

    def _key(self, token: str) -> str:
        return self._store.key(key_of(token))


def _millis(seconds: float) -> int:
    return int(seconds * 1000)
