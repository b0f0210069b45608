"""Queues calls: `ctx.later` and `ctx.fan_out`, with the call's transaction when one is open, at once otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from antiphon.core.job import AS_DECLARED, Batch, Job, Tasks, Terms
from antiphon.core.limits import Limiter, limit
from antiphon.services.streams.keys import job_id
from antiphon.services.streams.message import encode_job
from antiphon.services.tasks.pieces import Package, package_of
from antiphon.services.tasks.plans import Origin, Plans

if TYPE_CHECKING:
    from antiphon.core.action import Call
    from antiphon.core.context import Context
    from antiphon.core.runtime import Runtime
    from antiphon.services.streams.message import JobMessage
    from antiphon.services.streams.outbox import Outbox
    from antiphon.services.streams.queue import Queues
    from antiphon.services.tasks.batches import Batches
    from antiphon.services.tasks.settings import TaskSettings


ENQUEUE = limit("enqueue")
"""How many jobs a tenant may queue; a fan-out is one, however many calls it sends."""


class QueuedTasks(Tasks):
    """Runs calls later, through queues in the store."""

    def __init__(self, queues: Queues, batches: Batches, outbox: Outbox | None, settings: TaskSettings) -> None:
        self._queues = queues
        self._batches = batches
        self._outbox = outbox
        self._settings = settings
        self._plans: Plans | None = None
        if outbox is not None:
            outbox.deliver("batch", batches.keep_rows)

    async def begin(self, runtime: Runtime) -> None:
        """Find what is wrong with the queues before calls arrive. Raises SetupError."""
        self.plans(runtime)

    def plans(self, runtime: Runtime) -> Plans:
        """How each action of the application becomes jobs. Raises SetupError when they contradict each other."""
        if self._plans is None:
            said = self._queues.settings.queues
            self._plans = Plans(runtime.actions, [name for name, queue in said.items() if queue.slots is not None])
        return self._plans

    async def later(self, ctx: Context, call: Call[Any], terms: Terms = AS_DECLARED) -> Job:
        """Queue a call as this caller's."""
        plan = self.plans(ctx.runtime).of(call.action)
        origin = await self._origin(ctx, timed=terms.after is not None)
        message = plan.message(call, origin, job_id(plan.queue, ctx.new_id()), terms)
        await self._charge(ctx)
        if self._outbox is not None and self._outbox.open_in(ctx):
            await self._put(self._outbox, ctx, plan.queue, message)
            return Job(message.id)
        (enqueued,) = await self._queues.enqueue([message])
        return Job(enqueued.id, enqueued.deduplicated)

    async def fan_out(
        self, ctx: Context, calls: Sequence[Call[Any]], *, then: Call[Any] | None = None, fail_fast: bool = False
    ) -> Batch:
        """Queue many calls as one job, and `then` once each of them has ended."""
        plans = self.plans(ctx.runtime)
        package = await package_of(
            plans, calls, then, await self._origin(ctx), ctx.new_id(), self._settings, fail_fast=fail_fast
        )
        await self._charge(ctx)
        if self._outbox is not None and self._outbox.open_in(ctx):
            await self._put_package(self._outbox, ctx, package)
        else:
            await self._batches.keep(package)
            await self._queues.enqueue([package.job])
        return Batch(package.id, package.job.id, len(calls))

    async def _origin(self, ctx: Context, *, timed: bool = False) -> Origin:
        # Under `anyone` nobody has asked yet, and a job is its caller's whatever the rule.
        await ctx.identify()
        return Origin.of(ctx, await self._queues.time.current() if timed else self._queues.time.now())

    async def _charge(self, ctx: Context) -> None:
        """Raises TooManyCalls when the tenant has queued as many as it may."""
        limiter = ctx.runtime.find(Limiter)
        if limiter is not None:
            await limiter.charge(ctx, ENQUEUE, name=ENQUEUE.name)

    async def _put(self, outbox: Outbox, ctx: Context, queue: str, message: JobMessage) -> None:
        await outbox.add(ctx, f"jobs:{queue}", message.key, message.id, encode_job(message))

    async def _put_package(self, outbox: Outbox, ctx: Context, package: Package) -> None:
        for place, piece in enumerate(package.pieces):
            # The lane is the batch itself: its pieces are sent in their order, and nothing waits for them.
            await outbox.add(ctx, f"batch:{package.id}", package.id, f"{package.id}/{place}", piece)
        await self._put(outbox, ctx, package.queue, package.job)
