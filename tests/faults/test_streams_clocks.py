"""Clocks that are wrong, steps of the store's clock, and schedules: each tick is one job, and nothing is early."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from signal import SIGKILL
from time import monotonic

import pytest

from antiphon import App, Context, Tasks, action, allow, anyone, cron
from antiphon.core.runtime import Runtime
from antiphon.services.tasks.scheduler import Scheduler
from antiphon.services.tasks.schedules import Schedules
from antiphon.stores.scripts.ticks.steps import look
from tests.faults.shifted_clock import ShiftedClock
from tests.faults.streams_app import plain
from tests.faults.streams_process import Fleet, call_in, queues_of, reaches, record_of
from tests.faults.streams_stores import ALL, ground_of
from tests.services.tasks_stage import Actions, jobs_in

HOUR = 3600
DAY = 24 * HOUR


@pytest.fixture
def shifted(tmp_path: Path) -> ShiftedClock:
    """A clock that can be moved."""
    return ShiftedClock(tmp_path)


@pytest.fixture
async def shifted_fleet(
    ground_kind: str, tmp_path: Path, shifted: ShiftedClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Fleet]:
    """A fleet whose store has that clock, and whose processes have their own."""
    for name, value in shifted.environ.items():
        # The embedded store is started by this process, and inherits what this process has.
        monkeypatch.setenv(name, value)
    async with ground_of(ground_kind, tmp_path) as ground:
        yield Fleet(tmp_path, ground, {})


def ticks_of(fleet: Fleet, word: str) -> list[int]:
    """The ticks that were run, as seconds, in the order of their runs."""
    return [int(line.job.rpartition("@")[2]) // 1000 for line in fleet.lines(word)]


async def test_a_nodes_clock_decides_nothing(fleet: Fleet, tmp_path: Path) -> None:
    """S6: workers and producers a day ahead and a day behind: nothing is early, lost, doubled or misses its tick."""
    clocks = [ShiftedClock(tmp_path / name) for name in ("ahead", "behind") if (tmp_path / name).mkdir() is None]
    for clock, days in zip(clocks, (1, -1), strict=True):
        clock.shift(days * DAY)
    async with fleet.worker(environ=clocks[0].environ), fleet.worker(environ=clocks[1].environ):
        await fleet.sees("tick", 2)
        asked_at: dict[int, float] = {}
        for number, clock in enumerate(clocks):
            asked_at[number] = monotonic()
            command = ("order:later", "--number", str(number), "--seconds", "2")
            assert await fleet.command(*command, environ=clock.environ) == 0

        ran = await fleet.sees("plain", 2)

        assert sorted(line.number for line in ran) == [0, 1]
        assert all(line.at >= asked_at[line.number] + 2 for line in ran)
        await fleet.sees("tick", 8)
    ticks = sorted(ticks_of(fleet, "tick"))
    assert all(following - before == 1 for before, following in pairwise(ticks))


async def test_a_clock_step_repeats_no_tick(shifted_fleet: Fleet, shifted: ShiftedClock) -> None:
    """S7: the store's clock steps an hour ahead and back: delayed jobs shift, no tick runs twice, misses follow."""
    fleet = shifted_fleet
    async with fleet.here() as runtime, fleet.worker():
        await fleet.sees("tick", 2)
        job = await call_in(runtime).later(plain.bind(1), after="50m")
        assert (await record_of(runtime, job.id)).state == "scheduled"

        shifted.shift(HOUR)
        await reaches(runtime, job.id, "done")
        await fleet.sees("hour")
        await fleet.sees("toll")
        # The store passes an hour at once: up to a thousand of the seconds that nobody saw are run.
        await fleet.sees("tick", 1000)
        shifted.shift(0)
        await call_in(runtime).later(plain, 2)
        await fleet.sees("plain", 2)
        shifted.shift(HOUR)
        count = len(fleet.lines("tick"))
        await fleet.sees("tick", count + 2)

    ids = [line.job for line in fleet.lines("hour", "toll", "plain")]
    assert len(ids) == len(set(ids))
    # A step ahead is the end of every lease: what runs just then is run again, and has its effect once.
    assert {number: times for number, times in fleet.all_effects().items() if times != 1} == {}


@pytest.mark.parametrize("ground_kind", ALL)
async def test_each_tick_is_enqueued_once(fleet: Fleet) -> None:
    """S13: two schedulers, then ten, and restarts within the period: every tick is one job, and none is missing."""
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(fleet.worker()) for _ in range(2)]
        await fleet.sees("tick", 2)
        for _ in range(10):
            await stack.enter_async_context(fleet.here("worker"))
        workers[0].send(SIGKILL)
        await stack.enter_async_context(fleet.worker())
        count = len(fleet.lines("tick"))
        await fleet.sees("tick", count + 5)

    ticks = sorted(set(ticks_of(fleet, "tick")))
    assert all(following - before == 1 for before, following in pairwise(ticks))
    assert {number: times for number, times in fleet.all_effects().items() if times != 1} == {}


async def test_missed_ticks_follow_their_policy(shifted_fleet: Fleet, shifted: ShiftedClock) -> None:
    """S14: three hours without a scheduler: the newest, each or none of the missed ticks is run."""
    fleet = shifted_fleet
    async with fleet.here() as runtime:
        # Ten past the hour, wherever the hour of this machine stands, so that no tick is younger than a minute.
        shifted.shift(_to_ten_past())
        async with fleet.worker():
            await fleet.sees("tick", 1)
        shifted.shift(_to_ten_past() + 3 * HOUR)
        async with fleet.worker():
            await fleet.sees("hour")
            await fleet.sees("toll", 3)
            await call_in(runtime).later(plain, 1)
            await fleet.sees("plain")

    toll = sorted(ticks_of(fleet, "toll"))
    assert [following - before for before, following in pairwise(toll)] == [HOUR, HOUR]
    assert ticks_of(fleet, "hour") == [toll[-1]]
    assert ticks_of(fleet, "pass") == []


def _to_ten_past() -> int:
    now = datetime.now(UTC)
    return 600 - (now.minute * 60 + now.second)


@pytest.mark.parametrize(
    ("expression", "begin", "end", "runs"),
    [
        # In Athens the hour from 3 to 4 does not exist on 2026-03-29, and comes twice on 2026-10-25.
        ("30 3 * * *", "2026-03-28T22:00Z", "2026-03-30T00:00Z", ["2026-03-29T01:00Z"]),
        ("30 3 * * *", "2026-10-24T22:00Z", "2026-10-25T22:00Z", ["2026-10-25T00:30Z"]),
        ("30 * * * *", "2026-03-29T00:00Z", "2026-03-29T02:00Z", ["2026-03-29T00:30Z", "2026-03-29T01:30Z"]),
        (
            "30 * * * *",
            "2026-10-24T23:45Z",
            "2026-10-25T02:45Z",
            ["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-25T02:30Z"],
        ),
    ],
)
async def test_missed_ticks_follow_summer_time(
    fleet: Fleet, expression: str, begin: str, end: str, runs: list[str]
) -> None:
    """S14: a fixed time in the skipped hour runs right after it, in the repeated hour once; `*` follows the wall."""

    @action("clock:sing", cron(expression, zone="Europe/Athens", missed="all", overlap="allow"), allow(anyone))
    async def sing(ctx: Context) -> None:
        """Sing."""

    app = App("suffering", modules=[Actions(sing, needs=[Tasks, Schedules])], folder=fleet.folder)
    async with app.running(environ={**fleet.environ, "LOG_LEVEL": "error"}) as runtime:
        await _deal_often(runtime, _at(begin), _at(end))
        ticks = [int(message.id.rpartition("@")[2]) for message in await jobs_in(runtime)]
        await asyncio.gather(*(queues_of(runtime).cancel(message.id) for message in await jobs_in(runtime)))

    assert sorted(ticks) == [round(_at(run).timestamp() * 1000) for run in runs]


async def _deal_often(runtime: Runtime, begin: datetime, end: datetime) -> None:
    scheduler, schedules = runtime.require(Scheduler, "the test"), runtime.require(Schedules, "the test")
    (schedule,) = schedules.of(runtime)
    await scheduler.begin(runtime)
    now = begin
    while now <= end:
        store = queues_of(runtime).store
        _, (value,) = await look(store, queues_of(runtime).keys.meta("default"), [schedule.field])
        await scheduler.deal(schedule, value, round(now.timestamp() * 1000))
        now += timedelta(minutes=5)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
