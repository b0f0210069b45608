"""The schedules of an application: what recurs, when it ticked last and ticks next, and running one now."""

# Where a schedule stands is one field of its queue's `meta`, named `tick:NAME`:
#
#   MILLIS WORD JOB-ID      WORD is begun, enqueued, skipped or missed; JOB-ID is that of its last run, "" before any
#
# MILLIS is the last tick that was dealt with, or for `begun` the moment at which the schedule was first seen.

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from antiphon.core.action import AnyAction, Call
from antiphon.core.errors import NotFound
from antiphon.core.inputs.schema import Inputs
from antiphon.core.job import Job
from antiphon.services.streams.keys import digest_of, job_id
from antiphon.services.streams.message import JobMessage, Lane
from antiphon.services.streams.time import at
from antiphon.services.tasks.plans import Origin, Plan
from antiphon.services.tasks.ticks import Missed, Overlap, Ticks
from antiphon.services.tasks.traits import Recurring
from antiphon.stores.scripts.ticks import steps

if TYPE_CHECKING:
    from antiphon.core.context import Context
    from antiphon.core.runtime import Runtime
    from antiphon.services.streams.queue import Queues
    from antiphon.services.tasks.tasks import QueuedTasks


@dataclass(frozen=True, slots=True)
class Schedule:
    """An action that runs by itself. Its name is the action's."""

    action: AnyAction
    plan: Plan
    ticks: Ticks
    told: str
    at_start: bool
    missed: Missed
    overlap: Overlap

    @property
    def name(self) -> str:
        """What it is called."""
        return self.action.name

    @property
    def field(self) -> str:
        """Where its queue keeps how it stands."""
        return f"tick:{self.name}"

    def message(self, origin: Origin, name: str, *, due_at: datetime | None) -> JobMessage:
        """The job of one run, under this id: as the application itself, with every input at its default."""
        # One lane for all runs, unless they may overlap: whoever starts one, and whatever became of the one before.
        lanes = () if self.overlap == "allow" else (Lane(digest_of(f"schedule {self.name}"), 1),)
        inputs: Inputs = self.action.schema.from_values({})
        return self.plan.message(Call(self.action, inputs), origin, name, due_at=due_at, lanes=lanes)


class Standing(NamedTuple):
    """Where a schedule stands: its last tick in milliseconds, what became of it, and the job of its last run."""

    last: int
    word: str
    job_id: str

    @classmethod
    def read(cls, value: str) -> Standing | None:
        """What a value says; None for no value."""
        if not value:
            return None
        last, word, name = value.split(" ", 2)
        return cls(int(last), word, name)

    @property
    def value(self) -> str:
        """The value that says this."""
        return f"{self.last} {self.word} {self.job_id}"


class ScheduleView(msgspec.Struct, frozen=True, rename="camel"):
    """A schedule as people see it. `last_at` is its last tick, `last_outcome` what became of that."""

    name: str
    queue: str
    when: str
    missed: Missed
    overlap: Overlap
    last_at: datetime | None
    last_outcome: str
    last_job_id: str
    next_at: datetime | None


class Schedules:
    """What recurs in one application."""

    def __init__(self, queues: Queues, tasks: QueuedTasks) -> None:
        self._queues = queues
        self._tasks = tasks

    def of(self, runtime: Runtime) -> list[Schedule]:
        """Every schedule, by name."""
        plans = self._tasks.plans(runtime)
        found = [(action, action.trait(Recurring)) for action in runtime.actions.values()]
        return [
            Schedule(action, plans.of(action), said.ticks, said.told, said.at_start, said.missed, said.overlap)
            for action, said in sorted(found, key=lambda pair: pair[0].name)
            if said is not None and said.ticks is not None
        ]

    async def list(self, ctx: Context) -> list[ScheduleView]:
        """Every schedule with its last and its next tick. Raises Unavailable when the store is away."""
        views: list[ScheduleView] = []
        for queue, schedules in by_queue(self.of(ctx.runtime)).items():
            fields = [schedule.field for schedule in schedules]
            now, values = await steps.look(self._queues.store, self._queues.keys.meta(queue), fields)
            views += [_view(each, Standing.read(value), now) for each, value in zip(schedules, values, strict=True)]
        return sorted(views, key=lambda view: view.name)

    async def run(self, ctx: Context, name: str) -> Job:
        """Run one now, beside its ticks; unless runs may overlap it waits for the one that is unfinished.

        Raises NotFound for a name that no schedule has, and Unavailable.
        """
        schedule = next((each for each in self.of(ctx.runtime) if each.name == name), None)
        if schedule is None:
            raise NotFound("There is no such schedule.")
        origin = Origin.itself(ctx.request_id, self._queues.time.now())
        message = schedule.message(origin, job_id(schedule.plan.queue, ctx.new_id()), due_at=None)
        (enqueued,) = await self._queues.enqueue([message])
        return Job(enqueued.id, enqueued.deduplicated)


def by_queue(schedules: Iterable[Schedule]) -> Mapping[str, list[Schedule]]:
    """The schedules of each queue, which are looked at in one trip."""
    found: dict[str, list[Schedule]] = {}
    for schedule in schedules:
        found.setdefault(schedule.plan.queue, []).append(schedule)
    return found


def _view(schedule: Schedule, standing: Standing | None, now: int) -> ScheduleView:
    last = None if standing is None or standing.word == "begun" else standing
    following = schedule.ticks.next_after(now if standing is None else max(now, standing.last))
    return ScheduleView(
        name=schedule.name,
        queue=schedule.plan.queue,
        when=schedule.told,
        missed=schedule.missed,
        overlap=schedule.overlap,
        last_at=None if last is None else at(last.last),
        last_outcome="" if last is None else last.word,
        last_job_id="" if last is None else last.job_id,
        next_at=None if following is None else at(following),
    )
