"""Jobs that somebody decides about: cancel, requeue, drop; and the dead ones that nobody wanted back."""

from __future__ import annotations

from typing import cast

from antiphon.core.errors import Conflict, NotFound
from antiphon.core.job import JobState
from antiphon.services.streams.engine import millis
from antiphon.services.streams.keys import PRIORITIES, number_of
from antiphon.services.streams.record import FINISHED, JobRecord
from antiphon.services.streams.records import Records
from antiphon.services.streams.values import Cancelling
from antiphon.stores.scripts.jobs import steering as steps

_AT_ONCE = 200
_LEFT_MILLIS = 86_400_000


class Dead(Records):
    """Steps that somebody asks for."""

    async def cancel(self, job_id: str) -> Cancelling:
        """Take an unfinished job out, or ask the worker of a running one to stop it (it hears at its next renewal).

        Raises NotFound, or Conflict for a finished one.
        """
        job = await self._known(job_id)
        life = millis(self.settings.keep(job.queue, job.message.keep if job.message is not None else None))
        keys = self.keys.of_queue(job.queue)
        before = await steps.cancel(self.store, keys, self.keys.job(job.id), self._unique(job), job.id, life)
        state = self._state_of(job, before)
        if state in FINISHED:
            raise Conflict(f"The job has ended already: it is {state}.")
        return Cancelling(job.id, "running" if state == "running" else "cancelled")

    async def requeue(self, job_id: str, *, quarantined: bool = False) -> None:
        """Begin a dead job again at attempt 1, under its id; a quarantined one only when that is said.

        Raises NotFound, or Conflict for one that is not dead.
        """
        job = await self._known(job_id)
        before = await steps.requeue(
            self.store,
            self.keys.of_queue(job.queue),
            self.keys.job(job.id),
            self._unique(job),
            job.id,
            number_of(job.message.priority if job.message is not None else PRIORITIES[1]),
            quarantined=quarantined,
        )
        state = self._state_of(job, before)
        if state == "quarantined" and not quarantined:
            raise Conflict("The job is quarantined. Say so to begin it again: --quarantined.")
        if state not in ("dead", "quarantined"):
            raise Conflict(f"Only a dead job can be begun again, and this one is {state}.")

    async def drop(self, job_id: str) -> None:
        """Forget a dead or quarantined job. Raises NotFound, or Conflict for any other."""
        job = await self._known(job_id)
        (state,) = await steps.drop(self.store, self.keys.of_queue(job.queue), [self.keys.job(job.id)], [job.id])
        if state not in ("", "dead", "quarantined"):
            raise Conflict(f"Only a dead job can be dropped, and this one is {state}.")

    async def purge(self, queue: str) -> int:
        """Forget dead jobs that are too old or too many; gives how many. Once an hour is enough.

        It also forgets the names of workers that left a day ago.
        """
        await steps.tidy(self.store, self.keys.of_queue(queue), idle=_LEFT_MILLIS)
        keys, life, kept = self.keys.of_queue(queue), millis(self.settings.dead_time), self.settings.max_dead
        count = 0
        while ids := await steps.old(self.store, keys, life=life, kept=kept, most=_AT_ONCE):
            states = await steps.drop(self.store, keys, [*map(self.keys.job, ids)], ids)
            count += sum(state in ("", "dead", "quarantined") for state in states)
            if len(ids) < _AT_ONCE:
                break
        return count

    async def _known(self, job_id: str) -> JobRecord:
        job = await self.view(job_id)
        if job is None:
            raise NotFound(f"There is no job {job_id}.")
        return job

    def _unique(self, job: JobRecord) -> str:
        return self.keys.unique(job.queue, job.message.unique) if job.message is not None and job.message.unique else ""

    def _state_of(self, job: JobRecord, state: str | None) -> JobState:
        if state is None:
            raise NotFound(f"There is no job {job.id}.")
        return cast("JobState", state)
