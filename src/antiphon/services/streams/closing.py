"""Tells the store how attempts ended: many in one trip, and again until it has heard."""

# Outcomes gather while a trip is under way and leave together with the next one, so a worker with many short jobs makes
# few trips, and one with few jobs none that waits. A settlement may be repeated: when the store is away the same ones
# are sent again until it answers, and meanwhile their leases are renewed as before.

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice

from antiphon.core.errors import Unavailable
from antiphon.core.job import JobState
from antiphon.core.log import Logger
from antiphon.services.streams.held import Held
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.values import Outcome

MOST_AT_ONCE = 200
IDLE_SECONDS = 2.0

type Settled = Callable[[Held, Outcome, JobState | None], None]
"""Hears what became of a job; None is that its token no longer counted."""


class Closing:
    """The outcomes that the store does not know yet."""

    def __init__(self, queues: Queues, log: Logger, settled: Settled) -> None:
        self._queues = queues
        self._log = log
        self._settled = settled
        self._waiting: deque[tuple[Held, Outcome]] = deque()
        self._there = asyncio.Event()
        self._fewer = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, held: Held, outcome: Outcome) -> None:
        """Settle this one with the next trip."""
        self._waiting.append((held, outcome))
        self._there.set()

    async def room(self, most: int, *, within: float) -> bool:
        """Wait until fewer than `most` wait to be settled; whether that came in time."""
        if len(self._waiting) >= most:
            self._fewer.clear()
            try:
                async with asyncio.timeout(within):
                    await self._fewer.wait()
            except TimeoutError:
                pass
        return len(self._waiting) < most

    async def run_round(self) -> float | None:
        """One trip, as soon as there is something to tell. Raises Unavailable; nothing is forgotten then."""
        if not self._waiting and not await self._wait():
            return None
        batch = list(islice(self._waiting, MOST_AT_ONCE))
        try:
            states = await self._queues.settle_all([(held.running, outcome) for held, outcome in batch])
        except (Unavailable, OSError):
            raise
        except Exception:  # noqa: BLE001  # one of them cannot be told; the others must not wait for it
            states = await self._one_by_one(batch)
        for _ in batch:
            self._waiting.popleft()
        self._fewer.set()
        for (held, outcome), state in zip(batch, states, strict=True):
            self._settled(held, outcome, state)
        return None

    async def _wait(self) -> bool:
        """Whether something came in time."""
        self._there.clear()
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                await self._there.wait()
        except TimeoutError:
            return False
        return True

    async def _one_by_one(self, batch: list[tuple[Held, Outcome]]) -> list[JobState | None]:
        states: list[JobState | None] = []
        for held, outcome in batch:
            try:
                states.append(await self._queues.settle(held.running, outcome))
            except (Unavailable, OSError):
                raise
            except Exception as error:  # noqa: BLE001  # its lease runs out, and then it counts as a crash
                self._log.error("job.not_settled", job=held.running.job_id, error=error)
                states.append(None)
        return states
