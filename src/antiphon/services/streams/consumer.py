"""Works through jobs and events: takes what is ready, runs it in slots, renews, settles, gives back."""

# One process has one consumer, and a consumer these loops under the supervisor; each round ends within seconds:
#
#   loop       does                                                                            again
#   fetch      waits for free slots; claims what dead workers held; takes what is ready;       at once; waits in the
#              counts the starts; begins the attempts (fetching.py)                            store for up to 2 s
#   settle     tells the store how attempts ended, many in a trip (closing.py)                 as soon as one has ended
#   renew      keeps the leases of everything held; hears what is lost or cancelled            every 5 s
#   due        moves jobs that have come due                                                   when the next one is due
#   look       which queues there are; says that this worker is there                          every second; every 5 s
#   beat       jobs that ignore their end, and progress that was held back                     twice a second
#   purge      forgets dead jobs that are too old or too many                                  every hour
#
# A slot is free when its action has ended, not when the store knows it: the next jobs are taken while outcomes are on
# their way. At most as many outcomes as slots may wait to be settled, so a worker holds twice its slots at the most.

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from antiphon.core.log import Logger
from antiphon.services.streams.fetching import Fetching, tried
from antiphon.services.streams.hands import Hands
from antiphon.services.streams.held import Work
from antiphon.services.streams.players import Recurring
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.registry import Registry
from antiphon.services.streams.slots import Slots
from antiphon.services.streams.supervisor import Supervisor
from antiphon.services.streams.tellings import Tellings
from antiphon.services.streams.worker_settings import WorkerSettings

DUE_SECONDS = 0.5
"""How long a job that another process has just scheduled may go unseen."""

LOOK_SECONDS = 1.0
SAY_SECONDS = 5.0

PURGE_SECONDS = 3_600.0

LOOPS = ("look", "due", "renew", "settle", "beat", "purge")

type Names = Callable[[], Sequence[str]]
"""The queues that the application knows by itself."""


class Consumer:
    """Works through jobs until it is drained. `worker_id` names it in the store, and nobody else ever."""

    def __init__(
        self,
        queues: Queues,
        supervisor: Supervisor,
        work: Work,
        settings: WorkerSettings,
        registry: Registry,
        tellings: Tellings,
        log: Logger,
        *,
        worker_id: str,
    ) -> None:
        self.worker_id = worker_id
        self.names: tuple[str, ...] = ()
        self.hands = Hands(queues, work, Slots(settings.slots), tellings, log)
        self.hands.on_again = lambda: supervisor.wake("due")
        self._queues = queues
        self._supervisor = supervisor
        self._settings = settings
        self._registry = registry
        self._tellings = tellings
        self._log = log
        self._fetching = Fetching(queues, supervisor, self.hands, tellings, log, worker_id)
        self._recurring: tuple[str, ...] = ()
        self._own: Names = tuple
        self._say_at = 0.0

    def begin(self, own: Names, recurring: Sequence[Recurring] = ()) -> None:
        """Begin to take jobs: of the queues of the settings, or of those that the application or the store knows."""
        keep = self._supervisor.keep
        self._own = own
        self._serve(self._settings.queues or tuple(dict.fromkeys(own())))
        keep("look", self._look)
        keep("due", self._promote)
        keep("renew", self.hands.renew)
        keep("settle", self.hands.closing.run_round)
        keep("beat", self.hands.beat, vital=False)
        keep("purge", self._purge, vital=False)
        wanted = [each for each in recurring if not each.idle]
        self._recurring = tuple(each.name for each in wanted)
        for each in wanted:
            keep(each.name, each.run_round)

    async def drain(self) -> None:
        """Take nothing more, give running jobs their time, and give back what is left."""
        self._fetching.draining = True
        await self._supervisor.end(*self._recurring, "due", "look")
        left = await self._fetching.end()
        if left:
            await tried(lambda: self._queues.give_back(left, self.worker_id), self._log)
        if not await self.hands.empty(self._settings.drain):
            stopped = self.hands.stop()
            self._log.warning("worker.jobs_stopped", count=stopped)
            await self.hands.empty(self._settings.undo_time)
        await tried(self.hands.give_back, self._log)
        await self._supervisor.end(*LOOPS)
        while len(self.hands.closing) and await tried(self.hands.closing.run_round, self._log):
            continue
        await self._tellings.close()
        await tried(self._registry.leave, self._log)

    def _serve(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._fetching.spread(self.names)

    async def _look(self) -> float:
        """Find out which queues there are, and say that this worker is there."""
        if not self._settings.queues:
            known = await self._queues.known()
            self._serve([*dict.fromkeys((*self._own(), *known))])
        loop = asyncio.get_running_loop()
        if loop.time() >= self._say_at:
            oldest = max((each.age_seconds for each in self._supervisor.loops.values() if each.vital), default=0.0)
            await self._registry.say(
                names=self.names, slots=self.hands.slots.count, running=len(self.hands), round_age=oldest
            )
            self._say_at = loop.time() + SAY_SECONDS
        return LOOK_SECONDS

    async def _purge(self) -> float:
        """Forget what has been dead for too long, in every queue that is served."""
        for name in self.names:
            purged = await self._queues.purge(name)
            if purged:
                self._log.info("streams.purged", queue=name, jobs=purged)
        return PURGE_SECONDS

    async def _promote(self) -> float | None:
        """Move what has come due; again when the next one is, or soon, for somebody may have scheduled one before."""
        if not self.names:
            return DUE_SECONDS
        promoted = await self._queues.promote(self.names)
        if promoted.next_in is None:
            return DUE_SECONDS
        return min(DUE_SECONDS, max(0.001, promoted.next_in))
