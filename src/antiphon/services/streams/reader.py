"""Takes ready jobs out of queues, on a connection of its own on which it may wait in the store."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from redis.exceptions import RedisError

from antiphon.core.errors import Unavailable
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.values import Entry

MARGIN = timedelta(seconds=1)
"""How long after the end of its wait an answer may take, before the connection counts as dead."""

LOW_FIRST_EVERY = 10
"""One round in so many begins at the low end, so that nothing starves."""


class Reader:
    """Reads for one consumer. A Cluster has one for each queue, since a wait is in one node."""

    def __init__(self, queues: Queues, consumer: str) -> None:
        self._queues = queues
        self._consumer = consumer
        self._block = queues.settings.block_time
        self._client = queues.store.connect(connections=1, command_time=self._block + MARGIN)
        self._client_id = 0
        self._rounds = 0
        self._waits = False

    async def read(self, names: Sequence[str], count: int, *, within: timedelta | None) -> list[Entry]:
        """Take at most `count` ready jobs; wait for the first so long, or not at all. Raises Unavailable."""
        self._rounds += 1
        if not self._client_id and not self._queues.store.clustered:
            # Ids are a node's own; in a Cluster a wait ends by itself.
            self._client_id = int(await self._client.execute_command("CLIENT", "ID"))
        # Each queue is the first one in turn, or a busy one would keep the others from every slot.
        turn = self._rounds % len(names)
        self._waits = within is not None
        try:
            return await self._queues.fetch(
                self._client,
                self._consumer,
                [*names[turn:], *names[:turn]],
                count,
                low_first=self._rounds % LOW_FIRST_EVERY == 0,
                block=None if within is None else min(within, self._block),
            )
        except BaseException:
            # The next connection has another id.
            self._client_id = 0
            raise
        finally:
            self._waits = False

    async def interrupt(self) -> None:
        """End a wait at once; what the store has handed out already still arrives."""
        # A read that was cut off here instead could leave jobs in the hands of a worker that does not know of them.
        client_id = self._client_id
        if self._waits and client_id:
            try:
                await self._queues.store.client.execute_command("CLIENT", "UNBLOCK", client_id)
            except (Unavailable, RedisError):
                # Then it ends by itself: a wait is short.
                return

    async def close(self) -> None:
        """Close the connection."""
        await asyncio.shield(self._client.aclose())
