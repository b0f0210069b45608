"""The set of signing keys as this process knows it, read again every minute."""

#     asked for              the set is         what happens
#     a key to sign with     older than 60 s    it is read; when that fails the old set goes on
#     a kid that is known    older than 60 s    verified with what is there; the set is read beside
#     a kid that is not      older than 5 s     it is read, once for all who wait; then the kid is known or not
#     anything               not read yet       it is read; Unavailable when that fails
#
# A kid is only ever looked up in the set that was read. It is a name: no path, no address and no part of a query.

from __future__ import annotations

import asyncio
from datetime import timedelta

from antiphon.core.clock import Clock
from antiphon.core.errors import CallError, Unavailable
from antiphon.core.log import Logger
from antiphon.services.identity.form import BadToken
from antiphon.services.identity.signing import READ_EVERY, Signer, SigningKeySource

UNKNOWN_EVERY = timedelta(seconds=5)


class Keyring:
    """The signing keys of the application."""

    def __init__(self, source: SigningKeySource, clock: Clock, log: Logger) -> None:
        self._source = source
        self._clock = clock
        self._log = log
        self._signers: dict[str, Signer] | None = None
        self._read_at = 0.0
        self._reading: asyncio.Task[None] | None = None

    async def signer(self) -> Signer:
        """What signs now. Raises Unavailable."""
        if self._signers is None or self._age() >= READ_EVERY.total_seconds():
            try:
                await self.read()
            except CallError:
                if self._signers is None:
                    raise
        current = [each for each in (self._signers or {}).values() if each.signs]
        if not current:
            raise Unavailable("No key signs tokens now.", retry_after=60)
        return max(current, key=lambda signer: signer.key.made_at)

    async def verifier(self, kid: str) -> Signer:
        """The key of this name. Raises BadToken when there is none, Unavailable when the set was never read."""
        if self._signers is None or (kid not in self._signers and self._age() >= UNKNOWN_EVERY.total_seconds()):
            try:
                await self.read()
            except CallError:
                if self._signers is None:
                    raise
        elif self._age() >= READ_EVERY.total_seconds() and self._reading is None:
            self._begin()
        found = (self._signers or {}).get(kid)
        if found is None or not found.key.verifies(self._clock.now()):
            raise BadToken("kid")
        return found

    async def shown(self) -> list[dict[str, str]]:
        """The public keys (RFC 7517), newest first. Raises Unavailable when they were never read."""
        await self.signer()
        now = self._clock.now()
        keys = [signer.key for signer in (self._signers or {}).values() if signer.key.verifies(now)]
        return [key.shown() for key in sorted(keys, key=lambda key: key.made_at, reverse=True)]

    async def read(self) -> None:
        """Read the set now; whoever asks meanwhile waits for the same reading. Raises Unavailable."""
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
            self._reading.add_done_callback(self._done)
        return self._reading

    def _done(self, task: asyncio.Task[None]) -> None:
        self._reading = None
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("identity.keys_not_read", reason=type(error).__name__)

    async def _read(self) -> None:
        # Failures count as readings too: while the database is away it is not asked by every call.
        self._read_at = self._clock.monotonic()
        keys = await self._source.read_keys()
        self._signers = {key.kid: Signer(key) for key in keys}

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    async def close(self) -> None:
        """Read no longer."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
