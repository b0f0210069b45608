"""The scheduler: every worker runs one, none leads, and a tick is dealt with once because the store compares.

A round looks at the last tick of each schedule and at the store's time, in one step, and works out what is due. What
is due is dealt with in a script that first compares: whoever comes second finds the schedule moved on and does nothing.
So a scheduler may be slow, paused or run anywhere in any number, and its node's clock may say what it likes.

    the schedule's last tick            the round
    is not known                        begins it now; with `at_start` runs it once
    is before ticks that are due        runs, skips or passes over each as `ticks.py` says, and moves it on
    has no tick due after it            waits
    is later than the store's time      waits: the store's clock has gone back, and these ticks have been
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client.registry import Collector

from antiphon.core.service import Background
from antiphon.services.streams.keys import tick_id
from antiphon.services.streams.players import Recurring
from antiphon.services.streams.time import at
from antiphon.services.tasks.plans import Origin
from antiphon.services.tasks.schedules import Schedule, Schedules, Standing, by_queue
from antiphon.services.tasks.tick_counts import TickCollector, TickCounts
from antiphon.services.tasks.ticks import Bounds, Round, round_of
from antiphon.stores.scripts.ticks import steps
from antiphon.stores.scripts.ticks.steps import NewTick, Place

if TYPE_CHECKING:
    from antiphon.core.clock import Ids
    from antiphon.core.log import Logger
    from antiphon.core.runtime import Runtime
    from antiphon.services.streams.queue import Queues
    from antiphon.services.tasks.settings import TaskSettings

_AT_ONCE = 100
_LEAST_WAIT = 0.005


class Scheduler(Background, Recurring):
    """The rounds of one process. Several at once are as good as one."""

    name = "scheduler"

    def __init__(self, queues: Queues, schedules: Schedules, settings: TaskSettings, ids: Ids, log: Logger) -> None:
        self.idle = True
        self.counts = TickCounts()
        self._queues = queues
        self._schedules = schedules
        self._by_queue: Mapping[str, list[Schedule]] = {}
        self._round_seconds = settings.round_time.total_seconds()
        self._bounds = Bounds(settings.late_time // timedelta(milliseconds=1), settings.max_missed)
        self._ids = ids
        self._log = log

    async def begin(self, runtime: Runtime) -> None:
        """Find the schedules; the rounds themselves are run by a worker."""
        self._by_queue = by_queue(self._schedules.of(runtime))
        self.idle = not self._by_queue

    def collectors(self) -> Sequence[Collector]:
        """What is counted about ticks, for whoever shows metrics."""
        return (TickCollector(self.counts),)

    async def run_round(self) -> float:
        """Deal with every tick that is due; gives the seconds until the next round. Raises Unavailable."""
        wait = self._round_seconds
        for queue, schedules in self._by_queue.items():
            fields = [schedule.field for schedule in schedules]
            now, values = await steps.look(self._queues.store, self._queues.keys.meta(queue), fields)
            for schedule, value in zip(schedules, values, strict=True):
                following = await self.deal(schedule, value, now)
                if following is not None:
                    wait = min(wait, (following - now) / 1000)
            await self._queues.note([queue])
        return max(wait, _LEAST_WAIT)

    async def deal(self, schedule: Schedule, value: str, now: int) -> int | None:
        """Deal with the ticks of one schedule that stands at `value`; gives the time of its next tick, if any."""
        standing = Standing.read(value)
        if standing is None:
            await self._begin_schedule(schedule, now)
            return schedule.ticks.next_after(now)
        due = round_of(schedule.ticks, schedule.missed, standing.last, now, self._bounds)
        if due is None:
            return schedule.ticks.next_after(standing.last)
        reached = await self._run(schedule, standing, due, now)
        if reached is not None and reached.last < due.last:
            # Nothing of what was missed is to be run: only that it was is kept.
            reached = await self._pass(schedule, reached, Standing(due.last, "missed", reached.job_id))
        if reached is not None and due.passed_over:
            self.counts.add(schedule.name, "missed", due.passed_over)
            self._log.warning("schedule.missed", schedule=schedule.name, ticks=due.passed_over)
        return schedule.ticks.next_after(due.last)

    async def _begin_schedule(self, schedule: Schedule, now: int) -> None:
        if schedule.at_start:
            await self._tick(schedule, None, [(now, True)], now)
            return
        await self._pass(schedule, None, Standing(now, "begun", ""))

    async def _pass(self, schedule: Schedule, standing: Standing | None, following: Standing) -> Standing | None:
        """Move a schedule on without a run; None when somebody else has moved it."""
        meta = self._queues.keys.meta(schedule.plan.queue)
        place = self._place(schedule, standing)
        value = await steps.pass_over(self._queues.store, meta, place, following.value)
        return following if value == following.value else None

    async def _run(self, schedule: Schedule, standing: Standing, due: Round, now: int) -> Standing | None:
        """Run what is to be run; gives where the schedule stands then, None when somebody else has moved it."""
        # Missed ticks run one after the other, so that none of them is skipped for the one before it.
        ticks = [*((tick, True) for tick in due.missed), *((tick, False) for tick in due.fresh)]
        reached: Standing | None = standing
        for begin in range(0, len(ticks), _AT_ONCE):
            some = ticks[begin : begin + _AT_ONCE]
            reached = await self._tick(schedule, reached, some, now)
            if reached is None or reached.last < some[-1][0]:
                return None
        return reached

    async def _tick(
        self, schedule: Schedule, standing: Standing | None, ticks: Sequence[tuple[int, bool]], now: int
    ) -> Standing | None:
        queue, keys = schedule.plan.queue, self._queues.keys
        place = self._place(schedule, standing)
        answer = await steps.tick(
            self._queues.store,
            keys.of_queue(queue),
            place,
            [self._new_tick(schedule, tick, now, always=always) for tick, always in ticks],
            skips=schedule.overlap == "skip",
            most=self._queues.settings.most(queue),
            alias_life=int(self._queues.settings.keep_time.total_seconds() * 1000),
        )
        for (tick, _), word in zip(ticks, answer.answers, strict=False):
            self._count(schedule, word, (now - tick) / 1000)
        if len(answer.answers) < len(ticks) and answer.value == place.value:
            self._log.warning("schedule.waits", schedule=schedule.name, queue=queue, reason="the queue is full")
        return Standing.read(answer.value) if answer.answers else None

    def _place(self, schedule: Schedule, standing: Standing | None) -> Place:
        if standing is None:
            return Place(schedule.field, "", "", "")
        name = standing.job_id
        return Place(schedule.field, standing.value, name, self._queues.keys.job(name) if name else "")

    def _new_tick(self, schedule: Schedule, tick: int, now: int, *, always: bool) -> NewTick:
        queue = schedule.plan.queue
        origin = Origin.itself(self._ids.uuid7(), at(now))
        message = schedule.message(origin, tick_id(queue, schedule.name, tick), due_at=at(tick))
        return NewTick(tick, always, self._queues.new_job(queue, message))

    def _count(self, schedule: Schedule, word: str, late: float) -> None:
        if word == "skipped":
            self._log.info("schedule.skipped", schedule=schedule.name)
            self.counts.add(schedule.name, "skipped")
            return
        self.counts.add(schedule.name, {"new": "enqueued", "repeated": "repeated"}.get(word, "deduplicated"))
        self.counts.late(late)
