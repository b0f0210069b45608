"""What an action says about its jobs: their queue, what keeps them apart or in order, and when it runs by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from antiphon.core.action import AnyAction
from antiphon.core.durations import format_duration, parse_duration
from antiphon.core.job import Priority, Tasks
from antiphon.core.traits import answers_on
from antiphon.services.streams import players
from antiphon.services.streams.keys import valid_queue
from antiphon.services.streams.queue_trait import QueueTrait
from antiphon.services.tasks.cron import Cron
from antiphon.services.tasks.templates import Template
from antiphon.services.tasks.ticks import Missed, Overlap, Period, Ticks, WallClock

DEFAULT_QUEUE = "default"
"""The queue of an action that names none."""

type OnDead = Literal["next", "block"]
"""What a dead job in an order does to those behind it."""


class TaskTrait(QueueTrait):
    """What the words of this file share: they need tasks, and inputs that can be written down."""

    __slots__ = ()

    @property
    def needs(self) -> Iterable[type]:
        return (Tasks,)

    def problems(self, action: AnyAction) -> Iterable[str]:
        # Each word would say the same: the first one says it for all.
        if next(each for each in action.traits if isinstance(each, TaskTrait)) is not self:
            return
        yield from unkept(action)
        if not answers_on(action, "worker"):
            yield f'{action.where}: {action.name} is queued and answers on no worker. Add "worker" to its only(...).'


@dataclass(frozen=True, slots=True)
class Queue(TaskTrait):
    """Where the jobs of an action wait."""

    name: str
    priority: Priority
    slots: int | None

    @property
    def summary(self) -> str:
        return f"queue {self.name}"

    def problems(self, action: AnyAction) -> Iterable[str]:
        yield from super(Queue, self).problems(action)
        if not valid_queue(self.name) or "." in self.name:
            yield (
                f"{action.where}: {self.name!r} is no name for a queue, on {action.name}. "
                f"Write lower case letters, digits and '-', such as queue('mail')."
            )


@dataclass(frozen=True, slots=True)
class Unique(TaskTrait):
    """The key under which an action has one unfinished job at most."""

    key: Template
    window: float | None

    @property
    def summary(self) -> str:
        return f"one per {self.key.text}"

    def problems(self, action: AnyAction) -> Iterable[str]:
        yield from super(Unique, self).problems(action)
        yield from self.key.problems(action, "unique(...)")


@dataclass(frozen=True, slots=True)
class AtMost(TaskTrait):
    """How many jobs with one key run at a time. A cap of one is an order: first in, first out."""

    limit: int
    key: Template
    on_dead: OnDead = "next"
    in_order: bool = False

    @property
    def word(self) -> str:
        return "ordered" if self.in_order else "at_most"

    @property
    def summary(self) -> str:
        return f"in order of {self.key.text}" if self.in_order else f"{self.limit} at a time per {self.key.text}"

    def problems(self, action: AnyAction) -> Iterable[str]:
        yield from super(AtMost, self).problems(action)
        yield from self.key.problems(action, "ordered(...)" if self.in_order else "at_most(...)")


@dataclass(frozen=True, slots=True)
class Keep(TaskTrait):
    """How long an ended job and its result are kept."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Recurring(TaskTrait):
    """When an action runs by itself. `told` is the trait as it was written, `fault` what is wrong with it."""

    told: str
    ticks: Ticks | None
    fault: str
    at_start: bool
    missed: Missed
    overlap: Overlap

    @property
    def word(self) -> str:
        return self.told.partition("(")[0]

    @property
    def summary(self) -> str:
        return self.told

    @property
    def needs(self) -> Iterable[type]:
        return (Tasks, players.Recurring)

    def problems(self, action: AnyAction) -> Iterable[str]:
        yield from super(Recurring, self).problems(action)
        beginning = f"{action.where}: {self.told} on {action.name}"
        if self.fault:
            yield f"{beginning}: {self.fault}."
        given = [field.name for field in action.schema.fields if field.required]
        if given:
            yield f"{beginning}: nobody gives its input {given[0]!r}. Give every input of it a default."
        if len(action.traits_of(Recurring)) > 1 and action.traits_of(Recurring)[0] is self:
            yield (
                f"{action.where}: {action.name} has two schedules. Write one cron(...) that says both, "
                f"or a second action that calls this one."
            )


def queue(name: str, *, priority: Priority = "normal", slots: int | None = None) -> Queue:
    """Let the action's jobs wait in this queue. `slots` is how many of the queue's jobs run at once, over all workers.

    Without it they wait in the queue `default`. Raises ValueError for fewer slots than one.
    """
    if slots is not None and slots < 1:
        raise ValueError("queue(slots=...) counts running jobs: write at least 1, or leave it out.")
    return Queue(name, priority, slots)


def unique(key: str, *, window: str | timedelta | None = None) -> Unique:
    """Give whoever queues the action again the job that is there already: while it is unfinished, or for the window.

    `key` is filled from the inputs and the caller: `unique("report:{report_id}:{caller.tenant_id}")`. It is the
    action's own: the same key on another action is another one.
    """
    return Unique(Template(key), None if window is None else _seconds(window, "unique(window=...)"))


def ordered(key: str, *, on_dead: OnDead = "next") -> AtMost:
    """Run jobs with the same key one after the other, first in, first out: `ordered("order:{order_id}")`.

    The key belongs to the queue: actions of one queue that fill the same key share its order. A retrying job holds
    those behind it; a dead one lets them go on, or with `on_dead="block"` holds them until it is requeued or dropped.
    """
    return AtMost(1, Template(key), on_dead, in_order=True)


def at_most(limit: int, key: str) -> AtMost:
    """Run this many jobs with the same key at a time, over all workers: `at_most(2, "tenant:{caller.tenant_id}")`.

    The key belongs to the queue, as that of `ordered`. Raises ValueError for a limit below one.
    """
    if limit < 1:
        raise ValueError("at_most(...) counts running jobs: write at least 1.")
    return AtMost(limit, Template(key))


def keep(time: str | timedelta) -> Keep:
    """Keep an ended job of the action, and its result, for this long (`"7d"`; 24 hours without it)."""
    return Keep(_seconds(time, "keep(...)"))


def every(
    period: str | timedelta,
    *,
    offset: str | timedelta = "0s",
    at_start: bool = False,
    missed: Missed = "once",
    overlap: Overlap = "skip",
) -> Recurring:
    """Run the action at whole multiples of the period since 1970-01-01 UTC: `every("1h", offset="5m")` at five past.

    It begins with its next tick; `at_start` adds one run when the schedule is first seen, once for all workers. A tick
    that nobody saw for a minute is `missed`: the newest of them is run once, or none ("skip"), or each ("all", up to
    1,000). A tick while the last run is unfinished is recorded and skipped, or waits ("queue"), or runs ("allow").
    """
    millis, moved = _millis(period), _millis(offset)
    told = f'every("{format_duration(timedelta(milliseconds=millis))}")'
    fault = ""
    if millis < 1000:
        fault = "the period is shorter than one second"
    elif not 0 <= moved < millis:
        fault = "the offset must be shorter than the period"
    return Recurring(told, None if fault else Period(millis, moved), fault, at_start, missed, overlap)


def cron(
    expression: str,
    *,
    zone: str = "UTC",
    at_start: bool = False,
    missed: Missed = "once",
    overlap: Overlap = "skip",
) -> Recurring:
    """Run the action on the wall clock of a zone: `cron("0 3 * * *", zone="Europe/Athens")` at three every night.

    Minute, hour, day of month, month, day of week. When clocks go forward, a fixed time that is skipped runs right
    after; when they go back, one that comes twice runs once. With `*` or `*/n` in minute or hour the ticks are those of
    the wall clock: none in the skipped hour, twice in the repeated one. The rest is as for `every`.
    """
    told = f'cron("{expression}")' if zone == "UTC" else f'cron("{expression}", zone="{zone}")'
    try:
        ticks, fault = WallClock(Cron(expression, zone)), ""
    except ValueError as error:
        ticks, fault = None, str(error)
    return Recurring(told, ticks, fault, at_start, missed, overlap)


def unkept(action: AnyAction) -> Iterable[str]:
    """Why the inputs of the action cannot wait in a queue."""
    for field in action.schema.fields:
        if field.file:
            yield (
                f"{action.where}: {action.name} is queued, and its input {field.name!r} is a file, which ends with "
                f"its call. Keep the file first and pass its id."
            )
        elif field.secret:
            yield (
                f"{action.where}: {action.name} is queued, and its input {field.name!r} is secret, and would lie in "
                f"the store. Keep it where secrets are kept and pass a reference."
            )


def _seconds(time: str | timedelta, where: str) -> float:
    seconds = (parse_duration(time) if isinstance(time, str) else time).total_seconds()
    if seconds <= 0:
        raise ValueError(f"{where} takes a time longer than nothing.")
    return seconds


def _millis(time: str | timedelta) -> int:
    return (parse_duration(time) if isinstance(time, str) else time) // timedelta(milliseconds=1)
