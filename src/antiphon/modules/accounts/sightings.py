"""Notes when sign-ins and API keys were last used: gathered for a second, then written in one transaction."""

# A call must not wait for it, nor fail by it. So a call only leaves a note, and only when the last one is a minute old;
# what is not written because the database is away is written with the next note.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

from antiphon import Caller, CallError, Clock, Context, Database, Logger, Sightings, service
from antiphon.modules.accounts.devices import SEEN_EVERY, Devices
from antiphon.modules.accounts.keys import SID_OF_KEY, Keys

GATHER_SECONDS = 1.0
_MOST_KEPT = 50_000


class AccountSightings(Sightings):
    """When each sign-in was last seen by this process."""

    def __init__(self, database: Database, clock: Clock, log: Logger) -> None:
        self._database = database
        self._clock = clock
        self._log = log
        self._noted: dict[str, float] = {}
        self._waiting: dict[str, datetime] = {}
        self._writing: asyncio.Task[None] | None = None

    def saw(self, caller: Caller, ctx: Context) -> None:
        """Note it, if the last note is a minute old."""
        now = self._clock.monotonic()
        noted = self._noted.get(caller.sid)
        if noted is not None and now - noted < SEEN_EVERY.total_seconds():
            return
        if len(self._noted) >= _MOST_KEPT:
            self._noted.clear()
        self._noted[caller.sid] = now
        self._waiting[caller.sid] = ctx.now
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        try:
            await self._clock.sleep(GATHER_SECONDS)
            await self.write()
        finally:
            self._writing = None

    async def write(self) -> None:
        """Write what waits; it waits on while the database is away."""
        waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        try:
            async with self._database.transaction(write=True) as work:
                anywhere, now = work.unscoped("when sign-ins of all tenants were last used"), self._clock.now()
                devices, keys = Devices(anywhere, now), Keys(anywhere, now)
                for sid, at in waiting.items():
                    if sid.startswith(SID_OF_KEY):
                        await keys.saw(sid.removeprefix(SID_OF_KEY), at)
                    else:
                        await devices.saw(sid, at)
        except CallError as error:
            self._waiting = waiting | self._waiting
            self._log.debug("accounts.sightings_wait", reason=error.type)

    async def close(self) -> None:
        """Write what waits, and no more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
        await self.write()


@service
async def sightings(database: Database, clock: Clock, log: Logger) -> AsyncIterator[AccountSightings]:
    """When sign-ins and keys were last used."""
    opened = AccountSightings(database, clock, log)
    try:
        yield opened
    finally:
        await opened.close()
