"""What is done with jobs: listed, looked at, cancelled, begun again, and forgotten."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta

from antiphon import (
    AskAgain,
    Batches,
    Conflict,
    Context,
    Cursors,
    InvalidInput,
    JobFilter,
    JobRecord,
    JobState,
    NotFound,
    Queues,
    Struct,
    action,
    admin,
    allow,
    delete,
    get,
    post,
    raises,
    signed_in,
)
from antiphon.modules.jobs.channel import JobChanged, job_topic
from antiphon.modules.jobs.cursors import Place
from antiphon.modules.jobs.jobs import Jobs, is_admin
from antiphon.modules.jobs.views import BatchProgress, JobRow, JobView, detail_of, row_of, view_of

MOST_RETRIED = 1_000
"""How many jobs one call begins again; the rest is for the next."""

SOON = 1.0
"""The seconds after which to ask again for an unfinished job."""

type QueueName = Annotated[str, Meta(max_length=100, pattern=r"^([a-z][a-z0-9:._-]*)?$", description="a queue")]
type Word = Annotated[str, Meta(max_length=200)]
type JobId = Annotated[str, Meta(max_length=300)]
type Limit = Annotated[int, Meta(ge=1, le=100)]
type Age = Annotated[float, Meta(ge=0, description="only jobs that were enqueued at least so many seconds ago")]


class JobList(Struct):
    """Jobs of one page. `cursor` asks for the next, and is empty after the last; a page may be short, even empty."""

    jobs: list[JobRow]
    cursor: str


class JobStopping(Struct):
    """What became of a job that was cancelled: one that is `running` stops within a few seconds."""

    id: str
    state: str


class Retried(Struct):
    """Which jobs begin again, or would. With `more` there are others: ask again."""

    jobs: list[str]
    dry_run: bool
    more: bool


@action("jobs:list", get("/jobs"), allow(admin))
async def list_jobs(
    ctx: Context,
    queue: QueueName = "",
    state: JobState | None = None,
    action: Word = "",
    reason: Word = "",
    older_than_seconds: Age = 0.0,
    cursor: Annotated[str, Meta(max_length=1_000)] = "",
    limit: Limit = 50,
) -> JobList:
    """List jobs of one queue or of all: the unfinished and the dead ones, or those in a state."""
    wanted = JobFilter(state, action, reason, older_than_seconds)
    cursors, of = ctx.get(Cursors), (queue, state, action, reason, older_than_seconds)
    found, following = await ctx.get(Jobs).pages(queue, wanted, Place.read(cursors.read(cursor, *of)), limit)
    return JobList([row_of(job) for job in found], cursors.sign(following.text if following else "", *of))


@action("job:view", get("/jobs/{job_id}"), allow(signed_in), raises(NotFound))
async def view_job(ctx: Context, job_id: JobId) -> JobView:
    """Look at a job of one's own; admins look at any, and see more of it."""
    job = await ctx.get(Jobs).require(job_id)
    if not job.finished:
        ctx.tell(AskAgain(SOON))
    return view_of(job, await _batch(ctx, job), detail_of(ctx, job) if is_admin(ctx.caller) else UNSET)


@action("job:cancel", post("/jobs/{job_id}/cancel"), allow(signed_in), raises(NotFound, Conflict))
async def cancel_job(ctx: Context, job_id: JobId) -> JobStopping:
    """Stop an unfinished job of one's own, or any as an admin."""
    jobs = ctx.get(Jobs)
    job = await jobs.arrived(job_id)
    state = await jobs.cancel(job)
    if state == "cancelled" and job.message is not None and job.message.caller.tenant_id == ctx.caller.tenant_id:
        await job_topic(job.id).publish(ctx, JobChanged(job.id, state, ""))
    return JobStopping(job.id, state)


@action("job:drop", delete("/jobs/{job_id}"), allow(admin), raises(NotFound, Conflict))
async def drop_job(ctx: Context, job_id: JobId) -> None:
    """Forget a job that is dead or quarantined."""
    job = await ctx.get(Jobs).arrived(job_id)
    await ctx.get(Queues).drop(job.id)


@action("jobs:retry", post("/jobs/retry"), allow(admin), raises(NotFound, Conflict))
async def retry_jobs(
    ctx: Context,
    job_id: JobId = "",
    queue: QueueName = "",
    action: Word = "",
    reason: Word = "",
    older_than_seconds: Age = 0.0,
    *,
    quarantined: bool = False,
    dry_run: bool = False,
) -> Retried:
    """Begin dead jobs again, one by its id or all that fit; those in quarantine only with `quarantined`.

    With `dryRun` it says which, and does nothing.
    """
    if job_id:
        job = await ctx.get(Jobs).arrived(job_id)
        if not dry_run:
            await ctx.get(Queues).requeue(job.id, quarantined=quarantined)
        return Retried([job.id], dry_run, more=False)
    if not (queue or action or reason or older_than_seconds):
        raise InvalidInput("Say which jobs: give jobId, queue, action, reason or olderThanSeconds.")
    states: list[JobState] = ["dead", "quarantined"] if quarantined else ["dead"]
    done: list[str] = []
    for state in states:
        async for job in ctx.get(Jobs).each(queue, JobFilter(state, action, reason, older_than_seconds), 100):
            if len(done) >= MOST_RETRIED:
                return Retried(done, dry_run, more=True)
            if dry_run or await _begun_again(ctx, job, quarantined=quarantined):
                done.append(job.id)
    return Retried(done, dry_run, more=False)


async def _begun_again(ctx: Context, job: JobRecord, *, quarantined: bool) -> bool:
    try:
        await ctx.get(Queues).requeue(job.id, quarantined=quarantined)
    except (NotFound, Conflict):
        # Somebody else was here in the meantime, or its time was over.
        return False
    return True


async def _batch(ctx: Context, job: JobRecord) -> BatchProgress | None:
    if job.message is None or job.message.batch is None:
        return None
    counts = await ctx.get(Batches).counts(job.message.batch.id)
    return None if counts is None else BatchProgress(counts.total, counts.done, counts.dead + counts.cancelled)
