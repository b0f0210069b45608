"""The loops that feed listeners: one for each log, with one connection on which it waits for what is new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from antiphon.core.errors import Unavailable
from antiphon.services.events.feeder import Feeder, Parts, Step

FULL_TIME = timedelta(milliseconds=200)
"""How long a feeder waits for room in a queue before it looks again."""


class Feeding:
    """The feeders of one log in one process: a round of the loop feeds each of them once, or waits."""

    def __init__(self, parts: Parts, stream: str, feeders: Sequence[Feeder]) -> None:
        self.name = f"feeder {stream}"
        self._parts = parts
        self._stream = stream
        self._feeders = feeders
        block = parts.settings.block_time
        # One that waits for a second longer than it is allowed to is cut off.
        self._client = parts.log.store.connect(connections=1, command_time=block + timedelta(seconds=1))

    async def run_round(self) -> float | None:
        """Feed every listener once; wait when there is nothing. Gives the seconds until the next round (None: none).

        A listener whose queue cannot be reached keeps no other from its events: Unavailable is raised at the end.
        """
        found: dict[Feeder, Step] = {}
        failed: Unavailable | None = None
        for feeder in self._feeders:
            try:
                found[feeder] = await feeder.feed()
            except Unavailable as error:
                failed = error
        if failed is not None:
            raise failed
        fed = [feeder for feeder, step in found.items() if step is not Step.OTHERS]
        if not fed:
            return self._parts.settings.lease_time.total_seconds() / 3
        if Step.MORE not in found.values():
            # From the end that the first of them saw: what came since then may be news to it.
            after = min((feeder.last for feeder in fed), key=lambda place: place.number)
            block = FULL_TIME if Step.FULL in found.values() else self._parts.settings.block_time
            await self._parts.log.wait(self._client, self._stream, after.entry_id, block)
        return None

    async def close(self) -> None:
        """Let others feed at once."""
        try:
            for feeder in self._feeders:
                await feeder.let_go()
        except Unavailable:
            pass  # the leases run out by themselves
        finally:
            await self._client.aclose()
