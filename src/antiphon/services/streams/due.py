"""Jobs that wait for their time: delayed ones and those that are tried again."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.services.streams.engine import Engine
from antiphon.services.streams.values import Promoted
from antiphon.stores.scripts.jobs import steering as steps


class Due(Engine):
    """The step that moves them on."""

    async def promote(self, queues: Sequence[str], most: int = 100) -> Promoted:
        """Move jobs that have come due to where they are fetched from, at most `most` of each queue."""
        keys = [self.keys.of_queue(queue) for queue in queues]
        found = await steps.due(self.store, keys, most)
        # The keys of hashes have to be named before a script runs, so there are two: the second looks again.
        moves = [
            (its, [*map(self.keys.job, due.ids)], due.ids) for its, due in zip(keys, found, strict=True) if due.ids
        ]
        moved = await steps.promote(self.store, moves)
        waits = [due.next_in for due in found if due.next_in >= 0]
        return Promoted(moved, min(waits) / 1000 if waits else None)
