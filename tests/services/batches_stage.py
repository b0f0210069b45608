"""An application with fan-outs, and a worker by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.job import Batch, Run
from antiphon.core.runtime import Runtime
from antiphon.services.streams.keys import queue_of
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.values import Running
from antiphon.services.tasks.batches import Batches
from antiphon.services.tasks.traits import queue, unique
from antiphon.stores.base import Store
from tests.services.tasks_stage import context, jobs_in, running


@action("photo:resize", queue("photos"), allow(anyone))
async def resize(ctx: Context, file_id: int) -> int:
    """Make a photo smaller."""
    return file_id


@action("photo:name", allow(anyone))
async def rename(ctx: Context, name: str) -> None:
    """Give a photo a name."""


@action("photo:print", unique("{file_id}"), allow(anyone))
async def print_photo(ctx: Context, file_id: int) -> None:
    """Print a photo."""


@action("album:publish", allow(anyone))
async def publish(ctx: Context, album_id: int) -> None:
    """Publish an album."""


async def heard(share: float, note: str) -> None:
    """Somebody who hears how far it is and says nothing."""
    assert 0 <= share <= 1
    assert note


class Stage:
    """An application with fan-outs, and a worker by hand."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.queues = runtime.require(Queues, "the test")
        self.batches = runtime.require(Batches, "the test")

    async def fan_out(self, count: int, **terms: Any) -> Batch:
        """So many photos to resize."""
        return await context(self.runtime).fan_out([resize.bind(number) for number in range(count)], **terms)

    async def play(self, batch: Batch, report: Callable[[float, str], Awaitable[None]] = heard) -> None:
        """Run the job that sends the children off, as a worker does."""
        record = await self.queues.view(batch.job_id)
        assert record is not None
        assert record.message is not None
        await self.run(record.message, report)

    async def run(self, message: JobMessage, report: Callable[[float, str], Awaitable[None]] = heard) -> None:
        """Run one of the jobs of a fan-out itself."""
        play = self.batches.play(message)
        assert play is not None
        inputs: Any = play.read()
        ctx = context(self.runtime)
        ctx.job = Run(message.id, 1, message.attempts, message.enqueued_at, None, report)
        await play.action.function(ctx, *msgspec.structs.astuple(inputs))

    async def children(self, batch: Batch, name: str = "photos") -> list[JobMessage]:
        """The unfinished children, in their order."""
        found = [message for message in await jobs_in(self.runtime, name) if is_child(message, batch)]
        return sorted(found, key=lambda message: 0 if message.batch is None else message.batch.index)

    async def waiting(self, name: str = "default") -> list[str]:
        """The actions of the unfinished jobs of a queue."""
        return [message.action for message in await jobs_in(self.runtime, name)]

    async def begin(self, child: JobMessage) -> Running:
        """Fetch and start what comes next, until this child is started."""
        while True:
            entries = await self.queues.fetch(self.queues.store.client, "w1", [queue_of(child.id)], 1)
            (begun,) = await self.queues.start(entries, "w1")
            assert isinstance(begun, Running)
            if begun.job_id == child.id:
                return begun


def is_child(message: JobMessage, batch: Batch) -> bool:
    """Whether a job is a child of this batch."""
    return message.batch is not None and message.batch.id == batch.id and message.batch.index >= 0


@asynccontextmanager
async def staged(store: Store, *, streams: dict[str, object] | None = None, **settings: Any) -> AsyncGenerator[Stage]:
    """An application with fan-outs; the settings are those of tasks."""
    sections = {"tasks": settings, "streams": streams or {}}
    async with running(store, resize, rename, print_photo, publish, settings=sections) as runtime:
        yield Stage(runtime)
