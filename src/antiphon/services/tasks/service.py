"""The tasks of an application, opened with it: queued calls, fan-outs, schedules."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.clock import Ids
from antiphon.core.log import Logger
from antiphon.core.service import service
from antiphon.services.streams.outbox import Outbox
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.supervisor import Supervisor
from antiphon.services.tasks.batches import Batches
from antiphon.services.tasks.scheduler import Scheduler
from antiphon.services.tasks.schedules import Schedules
from antiphon.services.tasks.settings import TaskSettings
from antiphon.services.tasks.tasks import QueuedTasks


@service
async def batches(queues: Queues, supervisor: Supervisor, settings: TaskSettings) -> AsyncIterator[Batches]:
    """The fan-outs of the store."""
    opened = Batches(queues, supervisor, settings)
    try:
        yield opened
    finally:
        await opened.close()


@service
async def tasks(
    queues: Queues, batches: Batches, outbox: Outbox | None, settings: TaskSettings
) -> AsyncIterator[QueuedTasks]:
    """Calls that run later. The store must be there when somebody queues one, not at the start."""
    yield QueuedTasks(queues, batches, outbox, settings)


@service
async def schedules(queues: Queues, tasks: QueuedTasks) -> AsyncIterator[Schedules]:
    """What recurs."""
    yield Schedules(queues, tasks)


@service
async def scheduler(
    queues: Queues, schedules: Schedules, settings: TaskSettings, ids: Ids, log: Logger
) -> AsyncIterator[Scheduler]:
    """What makes it recur; a worker runs its rounds."""
    yield Scheduler(queues, schedules, settings, ids, log)
