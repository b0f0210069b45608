"""What the tests of events share: events, an application that hears of them, feeders that can be stopped anywhere."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from antiphon.application import App
from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.event import EventType, event, event_type
from antiphon.core.inputs.kinds import Struct
from antiphon.core.module import Gathered, Module
from antiphon.core.runtime import Runtime
from antiphon.services.events.events import Events
from antiphon.services.events.feeder import Feeder, Parts, Step
from antiphon.services.events.listener import Listener
from antiphon.services.streams.log import EventLog, Kept
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobFilter
from antiphon.stores.base import Store
from antiphon.testing.app import BASE
from antiphon.transports.worker.transport import Worker

ADA = Caller("user", "ada", "choir")

KEPT = ("{events.*}:log", "{jobs.*}:ready.*", "{jobs.*}:lanes", "{jobs.*}:dead", "{jobs.*}:meta", "{known}*")
"""Keys without a lifetime that bounds of their own hold."""

UNFINISHED = (*KEPT, "{jobs.*}:job:*", "{jobs.*}:due")
"""The same for a test that leaves events in queues."""


def from_v1(old: dict[str, Any]) -> dict[str, Any]:
    """The first version had the total as a text."""
    return {"orderId": old["orderId"], "total": int(old["sum"])}


@event("order:paid", version=2, key="order_id", upcast={1: from_v1})
class OrderPaid(Struct):
    """An order was paid."""

    order_id: str
    total: int


@event("order:shipped", key="order_id")
class OrderShipped(Struct):
    """An order is on its way."""

    order_id: str


@event("cart:emptied")
class CartEmptied(Struct):
    """Somebody thought better of it."""

    items: int


PAID, SHIPPED, EMPTIED = (
    kind for each in (OrderPaid, OrderShipped, CartEmptied) if (kind := event_type(each)) is not None
)


class Pieces(Module):
    """These listeners and actions, and whatever else is needed; all the events of this file."""

    def __init__(self, *actions: AnyAction, events: Iterable[EventType] = (), needs: Iterable[type] = ()) -> None:
        super().__init__("pieces", needs=needs)
        self.actions = actions
        self.events = (PAID, SHIPPED, EMPTIED, *events)

    def gather(self, into: Gathered) -> None:
        """Take them."""
        into.actions += self.actions
        into.events += self.events
        into.needs += [(self.name, need) for need in self.needs]


@asynccontextmanager
async def running(
    store: Store,
    *actions: AnyAction,
    works: bool = True,
    environ: Mapping[str, str] | None = None,
    values: Sequence[object] = (),
    needs: Iterable[type] = (),
) -> AsyncGenerator[Runtime]:
    """The application of these listeners and actions, as a worker or, without `works`, as a process that only calls."""
    app = App("Shop", modules=[Pieces(*actions, needs=needs)], transports=[Worker()], values=values)
    there = {**BASE, "REDIS_URL": str(store.address.url), "REDIS_PREFIX": store.prefix, **(environ or {})}
    async with app.running(environ=there, listen={"worker"} if works else frozenset[str]()) as runtime:
        runtime.require(Events, "the test").know(runtime)
        yield runtime


def context(runtime: Runtime, caller: Caller = ADA) -> Context:
    """A call of the application."""
    deadline = runtime.clock.monotonic() + 60
    ctx = Context(runtime, "test:call", Connection("direct"), "r1", deadline, safe=False)
    ctx.become(caller)
    return ctx


async def publish(runtime: Runtime, *events: msgspec.Struct, caller: Caller = ADA) -> list[str]:
    """Announce facts, each in a call of its own; their ids."""
    return [await context(runtime, caller).publish(each) for each in events]


def problems_of(*actions: AnyAction, events: Iterable[EventType] = ()) -> str:
    """What stops an application of these from starting."""
    try:
        App("stage", modules=[Pieces(*actions, events=events)]).gathered()
    except SetupError as error:
        return str(error)
    return ""


class Heard:
    """What listeners were told, by their name."""

    def __init__(self) -> None:
        self.by_listener: defaultdict[str, list[Any]] = defaultdict(list)
        self.contexts: list[Context] = []

    def note(self, ctx: Context, event: Any) -> None:
        """Remember."""
        self.by_listener[ctx.action_name].append(event)
        self.contexts.append(ctx)


async def jobs_in(queues: Queues, queue: str) -> list[JobMessage]:
    """The jobs of a queue in the order in which they were put there."""
    found: list[JobMessage] = []
    cursor = ""
    while True:
        page = await queues.list(queue, JobFilter(), cursor=cursor, count=100)
        found += [record.message for record in page.jobs if record.message is not None]
        cursor = page.cursor
        if not cursor:
            return found


def parts_of(runtime: Runtime) -> Parts:
    """What the feeders of this application share."""
    events = runtime.require(Events, "the test")
    return events._parts  # pyright: ignore[reportPrivateUsage]  # a test feeds step by step


def log_of(runtime: Runtime) -> EventLog:
    """The logs of this application."""
    return runtime.require(Events, "the test").log


def feeder_of(runtime: Runtime, listener: Listener[Any], token: str = "me") -> Feeder:
    """A feeder that feeds when it is told to."""
    return Feeder(parts_of(runtime), listener, token)


async def feed_all(feeder: Feeder) -> Step:
    """Feed until there is nothing left, or no room."""
    while (step := await feeder.feed()) is Step.MORE:
        pass
    return step


async def logged(runtime: Runtime, stream: str) -> list[Kept]:
    """Everything in a log."""
    return [each async for each in log_of(runtime).all(stream)]
