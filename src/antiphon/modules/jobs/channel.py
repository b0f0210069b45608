"""A job live: its state and its progress on the channel `job:{job_id}`, told by whoever runs it."""

# From the worker to the browser:
#
#   the worker    tells every JobWatcher of its process: a state, or progress at most twice a second
#   JobFeed       puts it into a line, and sends what has gathered since the last time in one trip
#   the channel   shows it in the tenant of the job, to whom its door lets in
#
# Nothing is kept for those who come later: watch first, then look with `job:view`.

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from antiphon import Channels, Context, JobMessage, JobState, JobWatcher, NotFound, Struct, channel, require, service
from antiphon import signed_in as signed_in_rule
from antiphon.modules.jobs.jobs import MISSING, Jobs

MOST_WAITING = 10_000
"""How much waits to be shown; the oldest goes first, as watchers can look for themselves."""

_AT_ONCE = 500


class JobChanged(Struct):
    """A job is in this state now. `reason` is a word that says why a job is dead or in quarantine."""

    id: str
    state: str
    reason: str


class JobProgressed(Struct):
    """A job has come this far: a share from 0 to 1, and a note."""

    id: str
    share: float
    note: str


@channel("job:{job_id}", JobChanged, JobProgressed)
async def job_topic(ctx: Context, job_id: str) -> None:
    """Whoever the job belongs to, and admins of the same tenant."""
    await require(signed_in_rule, ctx)
    job = await ctx.get(Jobs).require(job_id)
    if job.message is None or job.message.caller.tenant_id != ctx.caller.tenant_id:
        # What is shown stays within its tenant: a watcher from outside would wait for ever.
        raise NotFound(MISSING)


class JobFeed(JobWatcher):
    """Shows how jobs go to those who watch them."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._waiting = deque[tuple[str, JobChanged | JobProgressed]](maxlen=MOST_WAITING)
        self._showing: asyncio.Task[None] | None = None

    def changed(self, message: JobMessage, state: JobState, reason: str = "") -> None:
        """A job is in this state now."""
        self._show(message, JobChanged(message.id, state, reason))

    def progressed(self, message: JobMessage, share: float, note: str) -> None:
        """A job has come this far."""
        self._show(message, JobProgressed(message.id, share, note))

    async def close(self) -> None:
        """Show what is left."""
        if self._showing is not None:
            await self._showing

    def _show(self, message: JobMessage, event: JobChanged | JobProgressed) -> None:
        tenant_id = message.caller.tenant_id
        if not tenant_id:
            # The system's own jobs have no tenant, and nobody can watch there.
            return
        self._waiting.append((tenant_id, event))
        if self._showing is None or self._showing.done():
            self._showing = asyncio.create_task(self._pour())

    async def _pour(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), _AT_ONCE)
            tenant_id = self._waiting[0][0]
            group: list[JobChanged | JobProgressed] = []
            while len(group) < count and self._waiting and self._waiting[0][0] == tenant_id:
                group.append(self._waiting.popleft()[1])
            await self._channels.show(tenant_id, [(job_topic(event.id), event) for event in group])


@service
async def job_feed(channels: Channels) -> AsyncIterator[JobFeed]:
    """Told by the worker of the same process, if there is one."""
    feed = JobFeed(channels)
    yield feed
    await feed.close()
