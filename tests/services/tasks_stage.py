"""What the tests of tasks share: an application on a store, calls within it, and looks at what lies in the queues."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from antiphon.application import App
from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.job import Tasks
from antiphon.core.module import Gathered, Module
from antiphon.core.runtime import Runtime
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobFilter
from antiphon.services.tasks.schedules import Schedules
from antiphon.stores.base import Store
from antiphon.testing.app import BASE

ADA = Caller("user", "ada", "choir")
KEPT = ("{jobs.*", "{known}*")
"""The keys that jobs leave without a lifetime while they are unfinished."""


class Actions(Module):
    """These actions, and whatever else is needed."""

    def __init__(self, *actions: AnyAction, needs: Iterable[type] = (Tasks,)) -> None:
        super().__init__("actions", needs=needs)
        self.actions = actions

    def gather(self, into: Gathered) -> None:
        """Take them."""
        into.actions += self.actions
        into.needs += [(self.name, need) for need in self.needs]


@asynccontextmanager
async def running(
    store: Store,
    *actions: AnyAction,
    environ: dict[str, str] | None = None,
    settings: dict[str, dict[str, object]] | None = None,
    needs: Iterable[type] = (),
) -> AsyncGenerator[Runtime]:
    """The application of these actions, as a server that runs no jobs."""
    app = App("stage", modules=[Actions(*actions, needs=[Tasks, Schedules, *needs])], settings=settings)
    there = {**BASE, "REDIS_URL": str(store.address.url), "REDIS_PREFIX": store.prefix, **(environ or {})}
    async with app.running(environ=there) as runtime:
        yield runtime


def context(runtime: Runtime, caller: Caller = ADA) -> Context:
    """A call of the application."""
    deadline = runtime.clock.monotonic() + 60
    ctx = Context(runtime, "test:call", Connection("direct"), "r1", deadline, safe=False)
    ctx.become(caller)
    return ctx


def problems_of(*actions: AnyAction) -> str:
    """What stops an application of these actions from starting."""
    try:
        App("stage", modules=[Actions(*actions)]).gathered()
    except SetupError as error:
        return str(error)
    return ""


async def jobs_in(runtime: Runtime, queue: str = "default") -> list[JobMessage]:
    """The unfinished jobs of a queue, as they were sent, by id."""
    found: list[Any] = []
    queues, cursor = runtime.require(Queues, "the test"), ""
    while True:
        page = await queues.list(queue, JobFilter(), cursor=cursor)
        found += [record.message for record in page.jobs if not record.finished]
        cursor = page.cursor
        if not cursor:
            return sorted(found, key=lambda message: message.id)
