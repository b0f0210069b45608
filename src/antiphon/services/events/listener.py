"""The listener: a function that is told of every event of one kind, run as a job with all that a job has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from antiphon.core.access import Allow, Verdict
from antiphon.core.action import Action, AnyAction
from antiphon.core.context import Context
from antiphon.core.errors import InvalidInput, SetupError
from antiphon.core.event import EventType, event_type
from antiphon.core.inputs.schema import Inputs, Schema
from antiphon.core.job import Events, RetryPlan, Snoozed
from antiphon.core.signature import Parameter
from antiphon.core.traits import Retry, Trait, only
from antiphon.services.streams.keys import queue_of_listener, valid_queue
from antiphon.services.streams.message import CloudEvent
from antiphon.services.streams.queue_trait import without_effect
from antiphon.services.streams.schemas import schema_digest
from antiphon.stores.scripts.events.steps import Since

E = TypeVar("E", bound=msgspec.Struct)

NEWER_SECONDS = 30.0
"""How long an event of a version that only a newer release knows waits for a worker of that release."""


class Carried(msgspec.Struct, frozen=True):
    """The inputs of a listener's job: the event, as it stands in the log."""

    event: CloudEvent


_carried = msgspec.json.Decoder(Carried)


async def application(ctx: Context) -> Verdict:
    """The application itself: nobody else tells a listener of anything."""
    return Verdict(granted=ctx.caller.kind == "system", reason="listeners are told of events by the application alone")


@dataclass(frozen=True, slots=True)
class ByApplication(Allow):
    """The rule of listeners. Who calls is known by then, so that nothing has to be there to find it out."""

    rules: tuple[Any, ...] = (application,)

    @property
    def needs(self) -> Iterable[type]:
        return ()


@dataclass(frozen=True, slots=True)
class Hears(Trait):
    """Which events a listener is told of, and from when on."""

    event: type[msgspec.Struct]
    since: Since

    @property
    def summary(self) -> str:
        kind = event_type(self.event)
        return f"hears {kind.name}" if kind is not None else ""

    @property
    def needs(self) -> Iterable[type]:
        return (Events,)

    def problems(self, action: AnyAction) -> Iterable[str]:
        yield from without_effect(action)
        kind = event_type(self.event)
        named = getattr(self.event, "__name__", str(self.event))
        if kind is None:
            yield (
                f"{action.where}: the listener {action.name} hears of {named}, which is no event. Write "
                f'@event("stream:fact") above `class {named}`.'
            )
        else:
            yield from kind.problems()
        parameters = action.signature.parameters[1:]
        if len(parameters) != 1 or parameters[0].type is not self.event:
            yield (
                f"{action.where}: the listener {action.name} must take the event and nothing else. Write "
                f"`async def {action.__name__}(ctx: Context, event: {named}) -> None`."
            )
        if not isinstance(action, Listener) or action.instant:
            yield f"{action.where}: the listener {action.name} must be an `async def`."
        if action.signature.returns is not None and action.result is not type(None):
            yield f"{action.where}: the listener {action.name} has nobody to give anything to. Write `-> None`."
        if not valid_queue(queue_of_listener(action.name)):
            yield f"{action.where}: the name of the listener {action.name} is too long."


class EventSchema(Schema):
    """The input of a listener: from a job it is read as the event of the log, and lifted to the newest version."""

    __slots__ = ("_kind", "_name")

    def __init__(self, owner: str, parameter: Parameter, kind: EventType) -> None:
        super().__init__(owner, [parameter])
        self._name = parameter.name
        self._kind = kind

    def from_json(self, data: bytes) -> Inputs:
        """Read the inputs of a job. Raises InvalidInput, or Snoozed for a version that only a newer release knows."""
        try:
            carried = _carried.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise InvalidInput("This is no event.") from None
        if carried.event.data_version > self._kind.version:
            raise Snoozed(NEWER_SECONDS)
        event = self._kind.newest(bytes(carried.event.data), carried.event.data_version)
        return self.struct(**{self._name: event})


class Listener(Action[[E], None], Generic[E]):
    """A listener, which is an action that nobody but the worker calls; bare it is the function it was."""

    def __init__(
        self,
        name: str,
        event: type[E],
        traits: tuple[Trait, ...],
        function: Callable[[Context, E], Awaitable[None]],
        since: Since,
    ) -> None:
        self.event = event
        self.since: Since = since
        super().__init__(name, (ByApplication(), only("worker"), Hears(event, since), *traits), function)

    @cached_property
    def kind(self) -> EventType:
        """The event it hears of. Raises SetupError when that is none."""
        kind = event_type(self.event)
        if kind is None:
            raise SetupError(*Hears(self.event, self.since).problems(self))
        return kind

    @property
    def queue(self) -> str:
        """The queue from which its events are worked through."""
        return queue_of_listener(self.name)

    @cached_property
    def digest(self) -> str:
        """By what a worker sees that a job is for the listener as it knows it."""
        return schema_digest(self)

    @property
    def attempts(self) -> int:
        """How often one event is tried."""
        retry = self.trait(Retry)
        return (RetryPlan() if retry is None else retry.plan).attempts

    @cached_property
    def schema(self) -> Schema:
        """How its event is read and checked."""
        parameters = self.signature.parameters[1:]
        if event_type(self.event) is None or len(parameters) != 1:
            return super().schema  # what is wrong is told with the other problems
        try:
            return EventSchema(self.name, parameters[0], self.kind)
        except SetupError as error:
            raise SetupError(*(f"{self.where}: {problem}" for problem in error.problems)) from error

    def __repr__(self) -> str:
        return f"<listener {self.name}>"


def listener(
    name: str, event: type[E], /, *traits: Trait, since: Since = "now"
) -> Callable[[Callable[[Context, E], Awaitable[None]]], Listener[E]]:
    """Declare a listener: `async def send_receipt(ctx: Context, event: OrderPaid) -> None`.

    It is told of every event of this kind at least once, each as a job of its own: tried again as `retry(...)` says,
    and set aside when that does not help. Events with the same key come in their order. It runs as the application,
    within the tenant of the event. A new listener hears of what comes; with `since="start"`, of all that is kept.
    Words about an action's jobs (`queue`, `unique`, `ordered`, `at_most`, `keep`, `every`, `cron`) stop the start.
    """

    def declare(function: Callable[[Context, E], Awaitable[None]]) -> Listener[E]:
        return Listener(name, event, traits, function, since)

    return declare
