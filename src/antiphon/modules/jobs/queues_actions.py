"""What is done with queues, workers and schedules: looked at, paused and resumed, and run now."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antiphon import (
    Context,
    Job,
    NotFound,
    QueueDepths,
    Queues,
    Registry,
    Schedules,
    ScheduleView,
    Struct,
    WorkerRecord,
    action,
    admin,
    allow,
    declared_queues,
    get,
    post,
    raises,
)

type Name = Annotated[str, Meta(min_length=1, max_length=200)]


class Ready(Struct):
    """Jobs that wait for a worker, by priority."""

    high: int
    normal: int
    low: int


class QueueView(Struct):
    """How much is in a queue, and its caps: `slots` is null when only its workers bound it."""

    name: str
    unfinished: int
    scheduled: int
    waiting: int
    ready: Ready
    running: int
    dead: int
    paused: bool
    oldest_seconds: float
    slots: int | None
    max_unfinished: int


class QueueList(Struct):
    """The queues that the application declares and those used in the last 30 days, by name."""

    queues: list[QueueView]


class QueuePaused(Struct):
    """Whether workers fetch from a queue. One that the settings pause stays so."""

    name: str
    paused: bool


class WorkerList(Struct):
    """The workers that have said in the last 30 seconds that they are there."""

    workers: list[WorkerRecord]


class ScheduleList(Struct):
    """What recurs, by name."""

    schedules: list[ScheduleView]


@action("queues:list", get("/queues"), allow(admin))
async def list_queues(ctx: Context) -> QueueList:
    """List the queues: how deep they are, how long the oldest job has waited, and their caps."""
    queues = ctx.get(Queues)
    return QueueList([_view(queues, await queues.depths(name)) for name in sorted(await _names(ctx))])


@action("queue:pause", post("/queues/{name}/pause"), allow(admin), raises(NotFound))
async def pause_queue(ctx: Context, name: Name) -> QueuePaused:
    """Stop fetching from a queue, everywhere; what runs goes on."""
    queues = await _queues_with(ctx, name)
    await queues.pause(name)
    return QueuePaused(name, paused=True)


@action("queue:resume", post("/queues/{name}/resume"), allow(admin), raises(NotFound))
async def resume_queue(ctx: Context, name: Name) -> QueuePaused:
    """Fetch from a queue again."""
    queues = await _queues_with(ctx, name)
    await queues.resume(name)
    return QueuePaused(name, (await queues.depths(name)).paused)


@action("workers:list", get("/workers"), allow(admin))
async def list_workers(ctx: Context) -> WorkerList:
    """List the workers: where they run, what they serve, and when they last completed a round."""
    return WorkerList(await Registry(ctx.get(Queues)).workers())


@action("schedules:list", get("/schedules"), allow(admin))
async def list_schedules(ctx: Context) -> ScheduleList:
    """List what recurs, with its last and its next tick."""
    return ScheduleList(await ctx.get(Schedules).list(ctx))


@action("schedule:run", post("/schedules/{name}/run", status=202), allow(admin), raises(NotFound))
async def run_schedule(ctx: Context, name: Name) -> Job:
    """Run what recurs once more, now."""
    return await ctx.get(Schedules).run(ctx, name)


async def _queues_with(ctx: Context, name: str) -> Queues:
    if name not in await _names(ctx):
        raise NotFound("There is no such queue.")
    return ctx.get(Queues)


async def _names(ctx: Context) -> set[str]:
    """The queues that there are: one that is declared may be paused before its first job."""
    return declared_queues(ctx.runtime.actions.values()) | {*await ctx.get(Queues).known()}


def _view(queues: Queues, depths: QueueDepths) -> QueueView:
    return QueueView(
        name=depths.queue,
        unfinished=depths.unfinished,
        scheduled=depths.due,
        waiting=depths.waiting,
        ready=Ready(*depths.ready),
        running=depths.running,
        dead=depths.dead,
        paused=depths.paused,
        oldest_seconds=depths.oldest_seconds,
        slots=queues.settings.of(depths.queue).slots,
        max_unfinished=queues.settings.most(depths.queue),
    )
