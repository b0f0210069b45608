"""Revocations over the relay: whoever holds sockets, streams or remembered rights on any node hears of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.service import service
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay

_UNKNOWN = Revoked("unknown")
_RETRY_SECONDS = 1.0


class _Told(msgspec.Struct, frozen=True):
    node: str
    revoked: Revoked


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Told).decode


class RelayedRevocations(Revocations):
    """One name in the relay for all of them: they are rare, and every node has to look at each."""

    def __init__(self, store: Store, relay: Relay, log: Logger) -> None:
        self._name = store.key("revoked")
        self._relay = relay
        self._log = log
        self._tells: list[Callable[[Revoked], None]] = []
        self._listening: asyncio.Task[None] | None = None

    async def publish(self, revoked: Revoked) -> None:
        """Tell every node; this one even when the store is away."""
        self._tell(revoked)
        await self._relay.say(self._name, _encode(_Told(self._relay.node, revoked)))

    def subscribe(self, tell: Callable[[Revoked], None]) -> Callable[[], None]:
        """Be told from now on; listening begins with the first one who asks."""
        self._tells.append(tell)
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())

        def no_longer() -> None:
            if tell in self._tells:
                self._tells.remove(tell)

        return no_longer

    def heard(self, message: bytes) -> None:
        """What a node says."""
        try:
            told = _decode(message)
        except msgspec.DecodeError:
            # A newer version of this file, perhaps: what it means cannot be known, so nothing is taken for granted.
            self._tell(_UNKNOWN)
            return
        if told.node != self._relay.node:
            self._tell(told.revoked)

    def missed(self) -> None:
        """The relay was broken."""
        self._tell(_UNKNOWN)

    async def close(self) -> None:
        """Listen no longer."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._relay.leave(self._name, self)

    async def _listen(self) -> None:
        missed = False
        while True:
            try:
                await self._relay.listen(self._name, self)
            except Unavailable:
                missed = True
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                break
        if missed:
            self._tell(_UNKNOWN)

    def _tell(self, revoked: Revoked) -> None:
        for tell in [*self._tells]:
            try:
                tell(revoked)
            except Exception as error:  # noqa: BLE001  # the others must hear of it all the same
                self._log.error("revocations.not_taken", error=error)


@service
async def revocations(store: Store, relay: Relay, log: Logger) -> AsyncIterator[RelayedRevocations]:
    """Ended sessions and changed rights, on every node. It listens once somebody wants to hear."""
    opened = RelayedRevocations(store, relay, log)
    try:
        yield opened
    finally:
        await opened.close()
