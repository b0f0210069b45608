"""Calls end in time: by a sweep over their deadlines, at a drain, or because there are too many of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import Action, action
from antiphon.core.context import Context
from antiphon.core.errors import TimedOut, Unavailable
from antiphon.core.runtime import Runtime
from antiphon.core.traits import timeout
from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from tests.core.stage import Lines, app_of, context, run, run_in, started

Task = asyncio.Task[Any]


@action("slow:take", allow(anyone), timeout("10s"))
async def slow(ctx: Context) -> str:
    await asyncio.Event().wait()
    return "never"


@action("slow:usual", allow(anyone))
async def usual(ctx: Context) -> str:
    await asyncio.Event().wait()
    return "never"


@action("slow:stubborn", allow(anyone), timeout("1s"))
async def stubborn(ctx: Context) -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "caught"
    return "never"


@action("slow:outer", allow(anyone), timeout("1s"))
async def outer(ctx: Context) -> str:
    return await ctx.call(slow)


@action("quick:take", allow(anyone))
async def quick(ctx: Context) -> str:
    return "done"


@asynccontextmanager
async def running(clock: StandingClock, *actions: Action[Any, Any]) -> AsyncGenerator[Runtime]:
    log = Lines()
    async with started(app_of(log.service, *actions, clock=clock)) as runtime:
        yield runtime


def begin(call: Awaitable[Any]) -> Task:
    return asyncio.ensure_future(call)


async def test_a_call_out_of_time_is_ended_by_the_sweep() -> None:
    """The first sweep after its deadline ends a call with TimedOut."""
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        call = begin(run(runtime, slow))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")
        clock.move(timedelta(seconds=10))

        runtime.calls.sweep()

        with pytest.raises(TimedOut):
            await call
        assert len(runtime.calls) == 0


async def test_a_call_in_time_is_left_alone() -> None:
    """A sweep before the deadline changes nothing."""
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        call = begin(run(runtime, slow))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")
        clock.move(timedelta(seconds=9))

        runtime.calls.sweep()
        await asyncio.sleep(0)

        assert not call.done()
        await cancelled(call)


async def cancelled(call: Task) -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_the_sweep_comes_by_itself() -> None:
    """Nobody has to ask for it: a call that begins arms it."""
    clock = StandingClock()
    async with running(clock, stubborn) as runtime:
        call = begin(run(runtime, stubborn))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")
        clock.move(timedelta(seconds=1))

        await wait_until(call.done, "the sweep never came")

    assert call.result() == "caught"


async def test_a_call_made_from_a_call_has_its_time() -> None:
    """The time of the outer call ends the inner one, however much that would have alone."""
    clock = StandingClock()
    async with running(clock, outer, slow) as runtime:
        call = begin(run(runtime, outer))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")
        clock.move(timedelta(seconds=1))

        runtime.calls.sweep()

        with pytest.raises(TimedOut):
            await call


async def test_time_left_counts_down_to_zero() -> None:
    """`ctx.time_left()` is what a store or a database may still take."""
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        ctx = context(runtime, slow)
        whole = ctx.time_left()
        clock.move(timedelta(seconds=4))
        later = ctx.time_left()
        clock.move(timedelta(seconds=40))

    assert (whole, later, ctx.time_left()) == (10.0, 6.0, 0.0)


async def test_without_a_timeout_the_runtime_says_how_long() -> None:
    """A transport sets the time of the calls that do not say it themselves."""
    clock = StandingClock()
    async with running(clock, usual) as runtime:
        runtime.call_seconds = 7.0

        assert context(runtime, usual).time_left() == 7.0


async def test_time_can_be_cut_and_not_stretched() -> None:
    """A client may ask for less time than the action has, and gets no more by asking for more."""
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        less, more = context(runtime, slow), context(runtime, slow)
        less.limit_time(3)
        more.limit_time(99)

    assert (less.time_left(), more.time_left()) == (3.0, 10.0)


async def test_a_restarted_clock_gives_the_whole_time_again() -> None:
    """Inputs that were long in coming do not eat the call's time; what the client asked for still bounds it."""
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        ctx, bounded = context(runtime, slow), context(runtime, slow)
        bounded.limit_time(3)
        clock.move(timedelta(seconds=9))
        ctx.restart_clock()
        bounded.restart_clock()

    assert (ctx.time_left(), bounded.time_left()) == (10.0, 3.0)


async def test_one_call_more_than_may_run_is_refused() -> None:
    """A full server says so at once, and takes calls again when one has ended."""
    clock = StandingClock()
    async with running(clock, slow, quick) as runtime:
        runtime.calls.most = 1
        call = begin(run(runtime, slow))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")

        with pytest.raises(Unavailable, match="full"):
            await run(runtime, quick)
        await cancelled(call)
        assert await run(runtime, quick) == "done"


async def test_a_call_whose_client_has_left_stays_cancelled() -> None:
    """A cancellation that is not about time is handed on as it is."""
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        call = begin(run(runtime, slow))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")

        await cancelled(call)

        assert runtime.tallies.items()[0][1].outcomes == {"LEFT": 1}


async def test_a_drain_waits_for_the_last_call() -> None:
    """A call that ends in time is not hurt by a drain."""
    release = asyncio.Event()

    @action("held:take", allow(anyone))
    async def held(ctx: Context) -> str:
        await release.wait()
        return "done"

    async with running(StandingClock(), held) as runtime:
        call = begin(run(runtime, held))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")
        drain = begin(runtime.calls.drain(60))
        await asyncio.sleep(0)
        release.set()

        await drain

        assert await call == "done"


async def test_a_drain_cancels_what_does_not_end_and_sees_it_out() -> None:
    """What is over the drain's time is cancelled, and has rolled back before anything it leans on is closed."""
    told: list[str] = []

    @action("undo:take", allow(anyone))
    async def undone(ctx: Context) -> None:
        async def undo(error: BaseException | None) -> None:
            await asyncio.sleep(0)
            told.append(type(error).__name__)

        ctx.at_end(undo)
        await asyncio.Event().wait()

    async with running(StandingClock(), undone) as runtime:
        call = begin(run(runtime, undone))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")

        await runtime.calls.drain(0)

        assert told == ["CancelledError"]
        assert len(runtime.calls) == 0
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_drain_of_nothing_returns_at_once() -> None:
    """An idle application stops without waiting."""
    async with running(StandingClock(), quick) as runtime:
        await runtime.calls.drain(60)

        assert runtime.calls.draining


async def test_a_sweep_shows_the_long_calls() -> None:
    """A transport can look at each call that a sweep meets, such as whether its client is still there."""
    met: list[str] = []
    clock = StandingClock()
    async with running(clock, slow) as runtime:
        runtime.calls.on_long_call = lambda ctx, task: met.append(ctx.action_name)
        call = begin(run(runtime, slow))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")

        runtime.calls.sweep()

        assert met == ["slow:take"]
        await cancelled(call)


async def test_a_call_outside_a_task_is_a_mistake_of_ours() -> None:
    """Only a task can be ended when its time is up."""
    async with running(StandingClock(), quick) as runtime:
        ctx = context(runtime, quick)
        found: list[BaseException] = []

        def enter() -> None:
            try:
                runtime.calls.enter(ctx)
            except RuntimeError as error:
                found.append(error)

        asyncio.get_running_loop().call_soon(enter)
        await wait_until(lambda: found, "the call was entered without a task")

    assert "inside a task" in str(found[0])


async def test_calls_are_counted_by_outcome() -> None:
    """Whoever shows metrics finds every call by action, transport and what became of it."""
    clock = StandingClock()
    async with running(clock, quick, slow) as runtime:
        await run(runtime, quick)
        await run(runtime, quick)
        call = begin(run_in(context(runtime, slow), slow))
        await wait_until(lambda: len(runtime.calls) == 1, "the call never began")
        clock.move(timedelta(seconds=10))
        runtime.calls.sweep()
        with pytest.raises(TimedOut):
            await call

        counted = {key: tally.outcomes for key, tally in runtime.tallies.items()}

    assert counted == {("quick:take", "direct"): {"OK": 2}, ("slow:take", "direct"): {"TIMED_OUT": 1}}
