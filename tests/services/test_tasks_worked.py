"""Tasks with a worker: what was queued, fanned out or scheduled is done, as its caller."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from antiphon import (
    App,
    Context,
    NotFound,
    Outcomes,
    Tasks,
    Worker,
    action,
    allow,
    anyone,
    at_most,
    every,
    named,
    ordered,
    retry,
)
from antiphon.core.access import Verdict
from antiphon.core.caller import ANONYMOUS
from antiphon.core.runtime import Runtime
from antiphon.testing.app import BASE
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.tasks_stage import KEPT, Actions, context

pytestmark = pytest.mark.lasting_keys(*KEPT)


@dataclass
class World:
    """What jobs have done."""

    done: list[int] = field(default_factory=list[int])
    outcomes: list[Outcomes] = field(default_factory=list[Outcomes])
    ticks: int = 0


async def _system(ctx: Context) -> Verdict:
    return Verdict(granted=ctx.caller.kind == "system")


system = named(_system, "system")


@action("number:double", retry(attempts=1), allow(anyone))
async def double(ctx: Context, number: int) -> int:
    """Twice a number; there is nothing twice thirteen."""
    if number == 13:
        raise NotFound("There is no such number.")
    ctx.get(World).done.append(number)
    return 2 * number


@action("number:note", ordered("notes"), at_most(5, "{caller.kind}"), allow(anyone))
async def note(ctx: Context, number: int) -> None:
    """Write a number down, in order."""
    ctx.get(World).done.append(number)


@action("numbers:add-up", allow(anyone))
async def add_up(ctx: Context) -> None:
    """Look at what came of them."""
    assert ctx.job is not None
    assert ctx.job.batch is not None
    ctx.get(World).outcomes.append(ctx.job.batch)


@action("clock:strike", every("1h", at_start=True), allow(system))
async def strike(ctx: Context, times: int = 1) -> None:
    """Strike the clock."""
    ctx.get(World).ticks += times


@asynccontextmanager
async def working(folder: Path, url: str, prefix: str) -> AsyncGenerator[tuple[Runtime, World]]:
    """An application with a worker."""
    world = World()
    actions = Actions(double, note, add_up, strike, needs=[Tasks])
    app = App("stage", modules=[actions], transports=[Worker()], values=[world], folder=folder)
    environ = {**BASE, "REDIS_URL": url, "REDIS_PREFIX": prefix}
    async with app.running(environ=environ, listen=True) as runtime:
        yield runtime, world


async def test_what_was_queued_is_done(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """In the order that its key asks for."""
    async with working(tmp_path, valkey.url, store_prefix) as (runtime, world):
        for number in range(50):
            await context(runtime, ANONYMOUS).later(note, number)

        await wait_until(lambda: len(world.done) == 50, "not all jobs were done", within=15)

    assert world.done == [*range(50)]


async def test_a_fan_out_is_worked_through(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """Every call once, and `then` with all their results and errors."""
    async with working(tmp_path, valkey.url, store_prefix) as (runtime, world):
        calls = [double.bind(number) for number in range(150)]

        await context(runtime, ANONYMOUS).fan_out(calls, then=add_up.bind())

        await wait_until(lambda: world.outcomes, "`then` never ran", within=20)

    (outcomes,) = world.outcomes
    assert sorted(world.done) == [number for number in range(150) if number != 13]
    assert (outcomes.total, outcomes.done, outcomes.dead) == (150, 149, 1)
    assert outcomes.results == {number: 2 * number for number in range(150) if number != 13}
    assert outcomes.errors[13]["type"] == "NOT_FOUND"


async def test_a_schedule_runs_as_the_system(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """Two workers, one run at the start: by the application itself, which may do what its rule asks for."""
    async with (
        working(tmp_path / "one", valkey.url, store_prefix) as (_, one),
        working(tmp_path / "two", valkey.url, store_prefix) as (_, two),
    ):
        await wait_until(lambda: one.ticks + two.ticks, "the clock never struck", within=10)

    assert one.ticks + two.ticks == 1
