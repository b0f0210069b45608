"""Schedules in the store: each tick is one job, whoever looks and how often, and misses follow their policy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from antiphon.core.access import allow, anyone
from antiphon.core.action import AnyAction, action
from antiphon.core.context import Context
from antiphon.core.errors import NotFound
from antiphon.core.runtime import Runtime
from antiphon.core.service import Measured
from antiphon.services.streams.message import CallerRef, JobMessage
from antiphon.services.streams.players import Recurring
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.values import Done, Running
from antiphon.services.tasks.scheduler import Scheduler
from antiphon.services.tasks.schedules import Schedule, Schedules, ScheduleView, Standing
from antiphon.services.tasks.ticks import Missed, Overlap
from antiphon.services.tasks.traits import cron, every, queue
from antiphon.stores.base import Store
from antiphon.stores.scripts.ticks.steps import look
from tests.services.tasks_stage import KEPT, context, jobs_in, running

pytestmark = pytest.mark.lasting_keys(*KEPT)

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = 1_767_268_800_000
"""2026-01-01 12:00 UTC, long past in any store."""


def hourly(
    *, missed: Missed = "once", overlap: Overlap = "skip", at_start: bool = False, name: str = "house:clean"
) -> AnyAction:
    """An action that runs every hour."""

    @action(name, every("1h", missed=missed, overlap=overlap, at_start=at_start), allow(anyone))
    async def clean(ctx: Context, rooms: int = 3) -> None:
        """Clean the house."""

    return clean


class Stage:
    """One process with a scheduler, and its one schedule."""

    def __init__(self, runtime: Runtime, schedule: Schedule) -> None:
        self.runtime = runtime
        self.schedule = schedule
        self.scheduler = runtime.require(Scheduler, "the test")
        self.queues = runtime.require(Queues, "the test")

    async def standing(self) -> Standing | None:
        """Where the schedule stands."""
        _, (value,) = await look(
            self.queues.store, self.queues.keys.meta(self.schedule.plan.queue), [self.schedule.field]
        )
        return Standing.read(value)

    async def deal(self, now: int) -> None:
        """One look at the schedule, when the store says this time."""
        standing = await self.standing()
        await self.scheduler.deal(self.schedule, "" if standing is None else standing.value, now)

    async def ticks(self) -> list[int]:
        """The ticks for which there are unfinished jobs, as times."""
        return sorted(int(message.id.rpartition("@")[2]) for message in await jobs_in(self.runtime))

    async def finish_one(self) -> JobMessage:
        """Run the next ready job to its end."""
        (entry,) = await self.queues.fetch(self.queues.store.client, "w1", ["default"], 1)
        (begun,) = await self.queues.start([entry], "w1")
        assert isinstance(begun, Running)
        await self.queues.settle(begun, Done())
        return begun.message


@asynccontextmanager
async def staged(store: Store, recurring: AnyAction) -> AsyncGenerator[Stage]:
    """An application with one recurring action."""
    async with running(store, recurring) as runtime:
        (schedule,) = runtime.require(Schedules, "the test").of(runtime)
        await runtime.require(Scheduler, "the test").begin(runtime)
        yield Stage(runtime, schedule)


# The first time


async def test_a_new_schedule_starts_with_its_next_tick(store: Store) -> None:
    """Seen for the first time, nothing is run for what was before; the next whole hour is."""
    async with staged(store, hourly()) as stage:
        await stage.deal(NOON + 1)
        assert await stage.ticks() == []

        await stage.deal(NOON + HOUR)

        assert await stage.ticks() == [NOON + HOUR]


async def test_at_start_adds_one_run_for_the_whole_fleet(store: Store) -> None:
    """However many see it first, there is one run, and then the ticks."""
    async with staged(store, hourly(at_start=True)) as stage:
        await asyncio.gather(*(stage.scheduler.deal(stage.schedule, "", NOON + at) for at in range(1, 11)))

        assert len(await stage.ticks()) == 1


async def test_a_tick_runs_as_the_system_with_defaults(store: Store) -> None:
    """Its job has the id of the tick, the tick's time, every input at its default, and no user."""
    async with staged(store, hourly()) as stage:
        await stage.deal(NOON - 1)
        await stage.deal(NOON)

        (message,) = await jobs_in(stage.runtime)

    assert message.id == f"default.house:clean@{NOON}"
    assert message.caller == CallerRef("system", "", "", "worker")
    assert message.due_at == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert bytes(message.inputs) == b'{"rooms":3}'


# Once


async def test_ten_schedulers_make_one_job_per_tick(store: Store) -> None:
    """Ten processes look at the same moment, for many ticks: each tick is one job."""
    ticks = 20
    async with AsyncExitStack() as stack:
        stages = [await stack.enter_async_context(staged(store, hourly(overlap="allow"))) for _ in range(10)]
        await stages[0].deal(NOON - 1)

        for tick in range(ticks):
            await asyncio.gather(*(stage.deal(NOON + tick * HOUR) for stage in stages))

        assert await stages[0].ticks() == [NOON + tick * HOUR for tick in range(ticks)]
        assert sum(stage.scheduler.counts.ticks["house:clean", "enqueued"] for stage in stages) == ticks


async def test_a_paused_scheduler_changes_nothing(store: Store) -> None:
    """One that acts on what it saw long ago finds the schedule moved on."""
    async with staged(store, hourly(missed="all")) as stage:
        await stage.deal(NOON - 1)
        before = await stage.standing()
        assert before is not None
        await stage.deal(NOON)
        await stage.finish_one()

        await stage.scheduler.deal(stage.schedule, before.value, NOON + 2 * HOUR)

        assert await stage.ticks() == []
        assert stage.scheduler.counts.ticks["house:clean", "enqueued"] == 1


async def test_no_tick_is_early(store: Store) -> None:
    """Whatever a process thinks what time it is, the store runs no tick of the future."""
    ahead = int((datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000)
    async with staged(store, hourly(missed="once")) as stage:
        await stage.deal(ahead - 30 * HOUR)

        await stage.deal(ahead)

        assert await stage.ticks() == []


async def test_a_store_whose_clock_goes_back_repeats_nothing(store: Store) -> None:
    """An hour back: the ticks of that hour have been, and the next one is the one after the last."""
    async with staged(store, hourly(overlap="allow")) as stage:
        for now in (NOON - 1, NOON, NOON + HOUR, NOON + MINUTE, NOON + HOUR, NOON + 2 * HOUR):
            await stage.deal(now)

        assert await stage.ticks() == [NOON, NOON + HOUR, NOON + 2 * HOUR]


# Missed


@pytest.mark.parametrize(
    ("missed", "run"),
    [
        ("once", [NOON + 3 * HOUR]),
        ("skip", []),
        ("all", [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]),
    ],
)
async def test_what_nobody_saw_follows_the_policy(store: Store, missed: Missed, run: list[int]) -> None:
    """Three hours without a scheduler: the newest, none or each of the three; then on as if nothing had been."""
    async with staged(store, hourly(missed=missed, overlap="allow")) as stage:
        await stage.deal(NOON)

        await stage.deal(NOON + 3 * HOUR + 10 * MINUTE)
        await stage.deal(NOON + 3 * HOUR + 11 * MINUTE)
        await stage.deal(NOON + 4 * HOUR)

        assert await stage.ticks() == [*run, NOON + 4 * HOUR]
        assert stage.scheduler.counts.ticks["house:clean", "missed"] == 3 - len(run)


async def test_missed_ticks_are_not_skipped_for_each_other(store: Store) -> None:
    """`missed="all"` runs each, one after the other, also where runs may not overlap."""
    async with staged(store, hourly(missed="all", overlap="skip")) as stage:
        await stage.deal(NOON)
        await stage.deal(NOON + 3 * HOUR + 10 * MINUTE)

        entries = await stage.queues.fetch(stage.queues.store.client, "w1", ["default"], 10)

        assert await stage.ticks() == [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR]
        assert [entry.job_id for entry in entries] == [f"default.house:clean@{NOON + HOUR}"]


async def test_hundreds_of_missed_ticks_are_each_run(store: Store) -> None:
    """More than one script takes at a time."""
    async with staged(store, hourly(missed="all")) as stage:
        await stage.deal(NOON)

        await stage.deal(NOON + 250 * HOUR + 2 * MINUTE)

        assert await stage.ticks() == [NOON + tick * HOUR for tick in range(1, 251)]


# Overlap


async def test_a_tick_is_skipped_while_the_last_run_is_unfinished(store: Store) -> None:
    """It is recorded as skipped, and the one after the run has ended is run."""
    async with staged(store, hourly()) as stage:
        await stage.deal(NOON - 1)
        await stage.deal(NOON)
        await stage.deal(NOON + HOUR)
        assert await stage.standing() == Standing(NOON + HOUR, "skipped", f"default.house:clean@{NOON}")

        await stage.finish_one()
        await stage.deal(NOON + 2 * HOUR)

        assert await stage.ticks() == [NOON + 2 * HOUR]
        assert stage.scheduler.counts.ticks["house:clean", "skipped"] == 1


async def test_a_tick_may_wait_for_the_run_before_it(store: Store) -> None:
    """`overlap="queue"`: both are there, and only the first may begin."""
    async with staged(store, hourly(overlap="queue")) as stage:
        for now in (NOON - 1, NOON, NOON + HOUR):
            await stage.deal(now)
        assert await stage.ticks() == [NOON, NOON + HOUR]

        first = await stage.finish_one()
        second = await stage.finish_one()

        assert [first.id, second.id] == [f"default.house:clean@{NOON}", f"default.house:clean@{NOON + HOUR}"]


async def test_runs_may_overlap(store: Store) -> None:
    """`overlap="allow"`: both may begin."""
    async with staged(store, hourly(overlap="allow")) as stage:
        for now in (NOON - 1, NOON, NOON + HOUR):
            await stage.deal(now)

        assert len(await stage.queues.fetch(stage.queues.store.client, "w1", ["default"], 10)) == 2


async def test_a_full_queue_loses_no_tick(store: Store) -> None:
    """A tick that finds no room is not counted as dealt with: it is run when there is."""

    @action("house:fill", every("1h", overlap="allow"), allow(anyone))
    async def fill(ctx: Context) -> None:
        """Fill the house."""

    async with running(store, fill, environ={"STREAMS_MAX_UNFINISHED": "1"}) as runtime:
        (schedule,) = runtime.require(Schedules, "the test").of(runtime)
        stage = Stage(runtime, schedule)
        for now in (NOON - 1, NOON, NOON + HOUR):
            await stage.deal(now)
        assert await stage.ticks() == [NOON]

        await stage.finish_one()
        await stage.deal(NOON + HOUR + 1)

        assert await stage.ticks() == [NOON + HOUR]


# Rounds


async def test_a_round_begins_every_schedule_by_the_time_of_the_store(store: Store) -> None:
    """The first round finds what recurs, in each queue, and says when it wants the next."""

    @action("night:sweep", queue("nightly"), cron("0 3 * * *", zone="Europe/Athens"), allow(anyone))
    async def sweep(ctx: Context) -> None:
        """Sweep the yard."""

    async with running(store, sweep, hourly()) as runtime:
        scheduler = runtime.require(Scheduler, "the test")
        await scheduler.begin(runtime)

        wait = await scheduler.run_round()

        views = await runtime.require(Schedules, "the test").list(context(runtime))

    assert 0 < wait <= 1.0
    assert [view.name for view in views] == ["house:clean", "night:sweep"]
    assert all(view.next_at is not None and view.next_at > datetime.now(UTC) - timedelta(seconds=5) for view in views)


async def test_a_schedule_is_shown_as_it_stands(store: Store) -> None:
    """Last tick, what became of it, its job, and when the next one is."""
    async with staged(store, hourly()) as stage:
        await stage.deal(NOON - 1)
        await stage.deal(NOON)

        (view,) = await stage.runtime.require(Schedules, "the test").list(context(stage.runtime))

    assert isinstance(view, ScheduleView)
    assert (view.name, view.queue, view.when) == ("house:clean", "default", 'every("1h")')
    assert (view.last_outcome, view.last_job_id) == ("enqueued", f"default.house:clean@{NOON}")
    assert view.last_at == datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_one_can_be_run_now(store: Store) -> None:
    """Beside its ticks, which it does not move; and behind a run that is unfinished."""
    async with staged(store, hourly()) as stage:
        await stage.deal(NOON - 1)
        await stage.deal(NOON)
        schedules = stage.runtime.require(Schedules, "the test")

        job = await schedules.run(context(stage.runtime), "house:clean")

        assert {message.id for message in await jobs_in(stage.runtime)} == {job.id, f"default.house:clean@{NOON}"}
        entries = await stage.queues.fetch(stage.queues.store.client, "w1", ["default"], 10)
        assert [entry.job_id for entry in entries] == [f"default.house:clean@{NOON}"]
        with pytest.raises(NotFound):
            await schedules.run(context(stage.runtime), "house:burn")


async def test_an_application_without_schedules_has_an_idle_scheduler(store: Store) -> None:
    """Where nothing recurs, no loop is needed; where something does, a worker finds the service that runs it."""

    @action("text:keep", every("1h"), allow(anyone))
    async def keep_text(ctx: Context) -> None:
        """Keep a text."""

    async with running(store, keep_text) as runtime:
        scheduler = runtime.require(Scheduler, "the test")
        assert scheduler.idle

        await scheduler.begin(runtime)

        assert not scheduler.idle
        assert isinstance(scheduler, Recurring)
        assert isinstance(scheduler, Measured)


async def test_ticks_are_counted(store: Store) -> None:
    """By schedule and outcome, with how late they were run."""
    async with staged(store, hourly()) as stage:
        for now in (NOON - 1, NOON + 700, NOON + HOUR):
            await stage.deal(now)
        registry = CollectorRegistry()
        for collector in stage.scheduler.collectors():
            registry.register(collector)

        text = generate_latest(registry).decode()

    assert 'antiphon_ticks_total{outcome="enqueued",schedule="house:clean"} 1.0' in text
    assert 'antiphon_ticks_total{outcome="skipped",schedule="house:clean"} 1.0' in text
    assert 'antiphon_tick_late_seconds_bucket{le="1.0"} 1.0' in text
    assert "antiphon_tick_late_seconds_sum 0.7" in text
