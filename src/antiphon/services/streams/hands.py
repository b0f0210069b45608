"""The jobs in a worker's hands: begins their attempts, keeps their leases, and does for each what its fate says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from functools import partial
from typing import Any

from antiphon.core.errors import Unavailable
from antiphon.core.job import JobState
from antiphon.core.log import Logger
from antiphon.services.streams.closing import Closing
from antiphon.services.streams.held import Fate, Held, Work
from antiphon.services.streams.job_counts import JobCounts
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.slots import Slots
from antiphon.services.streams.tellings import Tellings, label_of
from antiphon.services.streams.values import Cancelled, Outcome, Renewal, Running

BEAT_SECONDS = 0.5
"""How often jobs are looked at that ignore their end; also the least time between two notes of progress."""


class Hands:
    """What one worker holds. See `held.py` for what may befall a job."""

    def __init__(self, queues: Queues, work: Work, slots: Slots, tellings: Tellings, log: Logger) -> None:
        self.counts = JobCounts()
        self.closing = Closing(queues, log, self._settled)
        self.slots = slots
        self.renewed_at = 0.0
        self.on_stuck: Callable[[int], None] = lambda count: None
        """Told how many jobs ignore their end, each time that one more does."""
        self.on_again: Callable[[], None] = lambda: None
        """Told that a job will be due again."""
        self._queues = queues
        self._work = work
        self._tellings = tellings
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._held: dict[str, Held] = {}
        self._stuck: set[Held] = set()
        self._returned: list[Running] = []
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._held)

    # Running

    def begin(self, running: Running) -> None:
        """Run an attempt, in a slot that was taken for it."""
        earlier = self._held.get(running.job_id)
        if earlier is not None:
            # It was claimed back from ourselves: this process stood still for longer than a lease.
            self._lose(earlier)
        held = self._held[running.job_id] = Held(running, self._loop.time())
        held.attempt = attempt = self._work.attempt(running, partial(self._report, held))
        self.counts.waits[running.queue].add(running.waited)
        self._tellings.changed(running.message, "running")
        # A job that never waits has ended when this returns.
        task = asyncio.Task(self._run(held, attempt.run(), attempt.broken), loop=self._loop, eager_start=True)
        if not task.done():
            held.task = task

    async def _run(self, held: Held, run: Coroutine[Any, Any, Outcome], broken: Callable[[], Outcome]) -> None:
        outcome: Outcome | None = None
        try:
            outcome = await run
            if held.running.message.batch is not None and held.fate is Fate.RUNS:
                await self._tellings.report(held.running.message, outcome)
        except asyncio.CancelledError:
            # When nobody here has cancelled it, the action has done so itself.
            outcome = broken() if held.fate is Fate.RUNS else None
        self._end(held, outcome)

    def _end(self, held: Held, outcome: Outcome | None) -> None:
        """The action has ended: its slot is free, and the store is told what the fate of the job says."""
        self.slots.give()
        if held.fate is Fate.OVERDUE:
            self._stuck.discard(held)
            self.counts.stuck = len(self._stuck)
        elif held.fate is Fate.LOST:
            self._forget(held)
        elif held.fate is Fate.RELEASED and outcome is None:
            self._returned.append(held.running)
            self._forget(held)
        else:
            self._settle(held, Cancelled() if held.fate is Fate.CANCELLED or outcome is None else outcome)

    def _settle(self, held: Held, outcome: Outcome) -> None:
        held.outcome = outcome
        self.counts.seconds[held.running.message.action, held.running.queue].add(self._loop.time() - held.started_at)
        self.closing.add(held, outcome)

    def _settled(self, held: Held, outcome: Outcome, state: JobState | None) -> None:
        running = held.running
        self._forget(held)
        if state is None:
            self._count_lost(held)
            return
        self.counts.settled[running.message.action, running.queue, label_of(outcome, state)] += 1
        self._tellings.settled(running.message, outcome, state)
        if state in ("scheduled", "retrying"):
            self.on_again()

    def _forget(self, held: Held) -> None:
        if self._held.get(held.running.job_id) is held:
            del self._held[held.running.job_id]
        if not self._held:
            self._emptied.set()

    # Holding on

    async def renew(self) -> float:
        """Keep every lease, and hear which are lost and what is to stop. Raises Unavailable."""
        held = [*self._held.values()]
        if held:
            renewals = await self._queues.renew([each.running for each in held])
            for each, renewal in zip(held, renewals, strict=True):
                if renewal is Renewal.LOST and each.outcome is None:
                    self._lose(each)
                elif renewal is Renewal.CANCEL:
                    each.stop(Fate.CANCELLED)
        self.renewed_at = self._loop.time()
        return self._queues.settings.renew_time.total_seconds()

    def _lose(self, held: Held) -> None:
        # Once settled or ended, nobody is interested; the answer to the settlement tells.
        if self._held.get(held.running.job_id) is held and held.fate is not Fate.LOST:
            self._count_lost(held)
            held.stop(Fate.LOST)

    def _count_lost(self, held: Held) -> None:
        self.counts.lost[held.running.queue] += 1
        self._log.warning("job.lease_lost", job=held.running.job_id, action=held.running.message.action)

    async def beat(self) -> float:
        """Settle what ignores its end, and write the progress that was held back."""
        for held in [*self._held.values()]:
            attempt = held.attempt
            if attempt is not None and held.outcome is None and held.fate is Fate.RUNS and attempt.overdue:
                self._give_up(held, attempt.timed_out())
            elif held.note is not None:
                await self._write(held, *held.note)
        return BEAT_SECONDS

    def _give_up(self, held: Held, outcome: Outcome) -> None:
        held.fate = Fate.OVERDUE
        self._stuck.add(held)
        self.counts.stuck = len(self._stuck)
        self._log.error("job.stuck", job=held.running.job_id, action=held.running.message.action)
        self._settle(held, outcome)
        self.on_stuck(len(self._stuck))

    async def _report(self, held: Held, share: float, note: str) -> None:
        """What `ctx.progress` does; the newest of many is written half a second after the one before."""
        if self._loop.time() - held.noted_at < BEAT_SECONDS:
            held.note = (share, note)
        else:
            await self._write(held, share, note)

    async def _write(self, held: Held, share: float, note: str) -> None:
        held.note, held.noted_at = None, self._loop.time()
        try:
            await self._queues.progress(held.running, share, note)
        except Unavailable:
            # The next note says more.
            return
        self._tellings.progressed(held.running.message, share, note)

    # The end

    async def empty(self, within: timedelta) -> bool:
        """Whether every job has ended and is settled within this long."""
        self._emptied.clear()
        if not self._held:
            return True
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._emptied.wait()
        except TimeoutError:
            return not self._held
        return True

    def stop(self) -> int:
        """Cancel what still runs, to be given back; gives how many jobs that are."""
        stopped = [held for held in self._held.values() if held.outcome is None]
        for held in stopped:
            held.stop(Fate.RELEASED)
        return len(stopped)

    async def give_back(self) -> None:
        """Give the store back what was stopped, ended or not, as if it had never been started. Raises Unavailable."""
        returned = [*self._returned, *(held.running for held in self._held.values() if held.outcome is None)]
        self._returned.clear()
        if returned:
            await self._queues.release(returned)
