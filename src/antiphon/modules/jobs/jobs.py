"""Finds jobs for whoever asks: their owner and admins; for everybody else there is no such job."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon import (
    Batches,
    Caller,
    Context,
    InvalidInput,
    JobFilter,
    JobMessage,
    JobRecord,
    NotFound,
    Outbox,
    Queues,
    Unavailable,
    scoped,
)
from antiphon.modules.jobs.cursors import BEGINNING, Place

MISSING = "There is no such job."

_FIRST_WAIT, _MOST_WAIT = 0.01, 0.7
"""The seconds between looks at a job that is on its way, each wait twice the last: less than 1.3 s together."""

_MOST_LOOKS = 10
"""A list that finds little in a deep queue ends its page rather than its time."""


def is_admin(caller: Caller) -> bool:
    """Whether this caller may look at everybody's jobs. A role is more than what was given to a key."""
    return caller.has_role("admin") and caller.permissions is None


class Jobs:
    """The jobs of the application, within one call."""

    def __init__(self, ctx: Context, queues: Queues, batches: Batches, outbox: Outbox | None) -> None:
        self._ctx = ctx
        self._queues = queues
        self._batches = batches
        self._outbox = outbox

    async def require(self, job_id: str) -> JobRecord:
        """A job of this caller, or any for an admin. Raises NotFound, also for a job of somebody else."""
        found = await self._find(job_id)
        if found is None or not _may_see(self._ctx.caller, found):
            raise NotFound(MISSING)
        return found

    async def arrived(self, job_id: str) -> JobRecord:
        """The same for whoever changes it: a job whose transaction has just committed is waited for, a moment.

        Raises Unavailable when it does not reach its queue, because the queue is full or the store is away.
        """
        found = await self.require(job_id)
        wait = _FIRST_WAIT
        while found.on_its_way:
            if wait > _MOST_WAIT:
                raise Unavailable("The job is still on its way into its queue. Try again.", retry_after=1.0)
            await self._ctx.sleep(wait)
            wait *= 2
            found = await self.require(job_id)
        return found

    async def cancel(self, job: JobRecord) -> str:
        """Stop a job; the state it is in then: a running one stops at its next sign of life.

        Raises Conflict for one that has ended.
        """
        cancelling = await self._queues.cancel(job.id)
        if cancelling.state == "cancelled" and job.message is not None:
            # It never ran, so no worker tells its batch.
            await self._batches.report(job.message, "cancelled")
        return cancelling.state

    async def pages(self, queue: str, jobs: JobFilter, at: Place, count: int) -> tuple[list[JobRecord], Place | None]:
        """Up to so many jobs, of one queue or of all, and where the next page begins (None after the last)."""
        names = [queue] if queue else sorted(await self._queues.known())
        found: list[JobRecord] = []
        for name in names:
            if name < at.queue:
                continue
            place = at.within if name == at.queue else ""
            for _ in range(_MOST_LOOKS):
                page = await self._queues.list(name, jobs, cursor=place, count=count - len(found))
                found += page.jobs
                place = page.cursor
                if len(found) >= count or not place:
                    break
            if place:
                return found, Place(name, place)
            following = next((other for other in names if other > name), "")
            if len(found) >= count and following:
                return found, Place(following, "")
        return found, None

    async def each(self, queue: str, jobs: JobFilter, count: int) -> AsyncIterator[JobRecord]:
        """Every job that fits, one by one."""
        at: Place | None = BEGINNING
        while at is not None:
            page, at = await self.pages(queue, jobs, at, count)
            for job in page:
                yield job

    async def _find(self, job_id: str) -> JobRecord | None:
        try:
            found = await self._queues.view(job_id)
            if found is not None or self._outbox is None:
                return found
            message = await self._outbox.waiting_job(job_id)
            if message is not None:
                return _on_its_way(message)
            # It may have left the outbox between the two looks.
            return await self._queues.view(job_id)
        except InvalidInput:
            return None


@scoped
def jobs_of_call(ctx: Context, queues: Queues, batches: Batches, outbox: Outbox | None) -> Jobs:
    """The jobs, as this call may see them."""
    return Jobs(ctx, queues, batches, outbox)


def _may_see(caller: Caller, job: JobRecord) -> bool:
    if is_admin(caller):
        return True
    of = None if job.message is None else job.message.caller
    return of is not None and of.kind == "user" and (of.id, of.tenant_id) == (caller.id, caller.tenant_id)


def _on_its_way(message: JobMessage) -> JobRecord:
    """A job whose transaction has committed, and which is about to be sent."""
    return JobRecord(
        message.id,
        message.id.rpartition(".")[0],
        "waiting" if message.due_at is None else "scheduled",
        attempt=0,
        crashes=0,
        cancelling=False,
        reason="",
        progress=None,
        due_at=message.due_at,
        started_at=None,
        finished_at=None,
        result=None,
        result_omitted=False,
        errors=(),
        message=message,
        raw=b"",
    )
