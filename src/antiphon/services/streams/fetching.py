"""Takes jobs into free slots: first what dead workers held, then what is ready; counts their starts."""

# A place is one reader and the queues it reads. A single server has one place for all queues; in a Cluster, where a
# wait is in one node, each queue has its own, and the places share the slots.
#
# Between taking jobs and knowing that their starts were counted the store may go away. What was taken is kept then and
# started first in the next round; at the end of the worker it is given back.
#
# Taking the next jobs while the starts of the last ones are under way was tried: it makes half as many trips again with
# smaller batches, which costs more than the time that a slot waits for.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.services.streams.hands import Hands
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.reader import Reader
from antiphon.services.streams.supervisor import Supervisor
from antiphon.services.streams.tellings import Tellings
from antiphon.services.streams.values import Entry, Refused, Running

REST_SECONDS = 1.0
"""How long a paused queue is left alone before it is looked at again."""

CONTESTED_SECONDS = 0.05
"""How long a place that found nothing leaves the slots to others that wait for one."""


INTERRUPT_SECONDS = 0.1
"""How long an interrupted wait may take to end, before it is interrupted again."""


class Place:
    """A reader, its queues, and what it has taken and not started."""

    def __init__(self, queues: Queues, worker_id: str) -> None:
        self.reader = Reader(queues, worker_id)
        self.names: tuple[str, ...] = ()
        self.taken: list[Entry] = []
        self.claimed: set[str] = set()
        self.claim_at = 0.0
        self.idle = asyncio.Event()
        self.idle.set()

    def take(self, entries: Iterable[Entry], *, claimed: bool = False) -> None:
        """These are ours to start."""
        entries = list(entries)
        self.taken += entries
        if claimed:
            self.claimed.update(entry.job_id for entry in entries)


class Fetching:
    """The places of one worker."""

    def __init__(
        self, queues: Queues, supervisor: Supervisor, hands: Hands, tellings: Tellings, log: Logger, worker_id: str
    ) -> None:
        self.draining = False
        self._queues = queues
        self._supervisor = supervisor
        self._hands = hands
        self._tellings = tellings
        self._log = log
        self._worker_id = worker_id
        self._places: dict[str, Place] = {}
        self._resting: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()

    def spread(self, names: Sequence[str]) -> None:
        """Read from these queues from now on."""
        apart = self._queues.store.clustered
        wanted = {f"fetch {name}": (name,) for name in names} if apart else {"fetch": tuple(names)}
        for key, of in wanted.items():
            place = self._places.get(key)
            if place is None:
                place = self._places[key] = Place(self._queues, self._worker_id)
                self._supervisor.keep(key, partial(self._round, place))
            if place.names != of:
                place.names = of
                self._supervisor.wake(key)

    async def end(self) -> list[Entry]:
        """Take nothing more; gives what was taken and not started."""
        self.draining = True
        for place in self._places.values():
            await self._until_idle(place)
        await self._supervisor.end(*self._places)
        left = [entry for place in self._places.values() for entry in place.taken]
        for place in self._places.values():
            await place.reader.close()
        self._places.clear()
        return left

    async def _until_idle(self, place: Place) -> None:
        """Wait for the end of a round, which must not be cut off between taking a job and knowing of it."""
        while not place.idle.is_set():
            # Once more each time: it may have been about to wait.
            await place.reader.interrupt()
            try:
                async with asyncio.timeout(INTERRUPT_SECONDS):
                    await place.idle.wait()
            except TimeoutError:
                continue

    async def _round(self, place: Place) -> float | None:
        now = self._loop.time()
        names = [name for name in place.names if self._resting.get(name, 0.0) <= now]
        if self.draining or not names:
            return REST_SECONDS
        slots, block = self._hands.slots, self._queues.settings.block_time.total_seconds()
        if not await self._hands.closing.room(slots.count, within=block):
            return None
        share = max(1, len(place.taken), slots.free // len(self._places))
        count = await slots.take(share, within=block)
        if not count:
            return None
        place.idle.clear()
        begun, answers = 0, list[Running | Refused]()
        try:
            await self._take(place, names, count)
            answers = await self._start(place, count)
            for answer in answers:
                if isinstance(answer, Running):
                    begun += 1
                    self._hands.begin(answer)
        finally:
            slots.give(count - begun)
            place.idle.set()
        return CONTESTED_SECONDS if slots.contested and not answers else None

    async def _take(self, place: Place, names: Sequence[str], count: int) -> None:
        settings, now = self._queues.settings, self._loop.time()
        if self.draining:
            return
        if not place.taken and now >= place.claim_at:
            if now - self._hands.renewed_at > settings.lease_time.total_seconds() / 2:
                # After this process has stood still it might claim what it still holds.
                await self._hands.renew()
            place.take(await self._queues.claim(self._worker_id, names, count), claimed=True)
            place.claim_at = now + settings.claim_time.total_seconds()
        if len(place.taken) < count and not self.draining:
            # While others wait for a slot, nobody waits in the store with one in hand.
            waits = not place.taken and not self._hands.slots.contested
            within = timedelta(seconds=max(0.001, place.claim_at - now)) if waits else None
            place.take(await place.reader.read(names, count - len(place.taken), within=within))

    async def _start(self, place: Place, count: int) -> list[Running | Refused]:
        taken = [] if self.draining else place.taken[:count]
        answers = await self._queues.start(taken, self._worker_id) if taken else []
        del place.taken[: len(taken)]
        for answer in answers:
            if answer.entry.job_id in place.claimed:
                place.claimed.discard(answer.entry.job_id)
                if answer.crashes:
                    self._hands.counts.crashes[answer.entry.queue] += 1
            if isinstance(answer, Refused):
                self._refused(answer)
        return answers

    def _refused(self, refused: Refused) -> None:
        queue, state = refused.entry.queue, refused.state
        if refused.because == "paused":
            self._resting[queue] = self._loop.time() + REST_SECONDS
        elif state is not None:
            action = "" if refused.message is None else refused.message.action
            self._hands.counts.settled[action, queue, state] += 1
            self._log.warning("job.not_started", job=refused.entry.job_id, because=refused.because, state=state)
            self._tellings.refused(refused)


async def tried(step: Callable[[], Awaitable[object]], log: Logger) -> bool:
    """Do this for a last time, and say whether it went; when the store is away, leases that run out do it."""
    try:
        await step()
    except Unavailable:
        log.warning("worker.left_without_store")
        return False
    return True
