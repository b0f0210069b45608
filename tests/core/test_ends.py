"""The end of a call: its steps run once, in their order, and are told what happened."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, Defect, NotFound
from tests.core.stage import Lines, Steps, app_of, context, run, run_in, started


async def ended(steps: Steps, *named: tuple[str, Exception | None], error: Exception | None = None) -> None:
    """Run a call whose end has these steps."""

    @action("ending:take", allow(anyone))
    async def ending(ctx: Context) -> None:
        for name, fails in named:
            ctx.at_end(steps.step(name, fails))
        if error is not None:
            raise error

    async with started(app_of(ending)) as runtime:
        await run(runtime, ending)


async def test_steps_of_the_end_run_in_their_order() -> None:
    """The first to be registered runs first, and each is told that all went well."""
    steps = Steps()

    await ended(steps, ("a", None), ("b", None))

    assert steps.told == ["a ok", "b ok"]


async def test_steps_are_told_of_the_error() -> None:
    """Whatever ends the call is told to each step, and the caller hears of it."""
    steps = Steps()

    with pytest.raises(NotFound):
        await ended(steps, ("a", None), ("b", None), error=NotFound())

    assert steps.told == ["a NotFound", "b NotFound"]


async def test_steps_are_told_what_really_happened() -> None:
    """A step sees the error that was raised, and the caller a defect."""
    steps = Steps()

    with pytest.raises(Defect):
        await ended(steps, ("a", None), error=ZeroDivisionError())

    assert steps.told == ["a ZeroDivisionError"]


async def test_an_error_in_a_step_becomes_the_calls() -> None:
    """A commit that fails fails the call, and the steps after it are told; no step is told twice."""
    steps = Steps()

    with pytest.raises(Conflict):
        await ended(steps, ("a", None), ("b", Conflict()), ("c", None))

    assert steps.told == ["a ok", "b ok", "c Conflict"]


async def test_a_step_that_fails_after_an_error_does_not_hide_it() -> None:
    """The caller is told why the call ended, and the log what failed on the way out."""
    steps, log = Steps(), Lines()

    @action("ending:take", allow(anyone))
    async def ending(ctx: Context) -> None:
        ctx.at_end(steps.step("a", RuntimeError("rollback")))
        ctx.at_end(steps.step("b"))
        raise NotFound

    async with started(app_of(log.service, ending)) as runtime:
        with pytest.raises(NotFound):
            await run(runtime, ending)

    assert steps.told == ["a NotFound", "b NotFound"]
    assert [str(line["error"]) for line in log.of("call.end_failed")] == ["rollback"]


async def test_a_step_may_register_another() -> None:
    """What the end itself leaves to do is done."""
    steps = Steps()

    @action("ending:take", allow(anyone))
    async def ending(ctx: Context) -> None:
        async def first(error: BaseException | None) -> None:
            ctx.at_end(steps.step("late"))

        ctx.at_end(first)

    async with started(app_of(ending)) as runtime:
        await run(runtime, ending)

    assert steps.told == ["late ok"]


async def test_a_plain_function_may_leave_steps() -> None:
    """They are awaited by whoever has the answer, and are told of the error that ends the call."""
    steps = Steps()

    @action("ending:plain", allow(anyone))
    def plain_ending(ctx: Context) -> int:
        ctx.at_end(steps.step("a"))
        if len(steps.told) == 1:
            raise NotFound
        return 5

    async with started(app_of(plain_ending)) as runtime:
        runner = runtime.runner(plain_ending.name)

        assert await runner.run_now(context(runtime, plain_ending), None, None) == 5
        with pytest.raises(NotFound):
            await runner.run_now(context(runtime, plain_ending), None, None)

        assert (steps.told, len(runtime.calls)) == (["a ok", "a NotFound"], 0)
        assert runtime.tallies.items()[0][1].outcomes == {"OK": 1, "NOT_FOUND": 1}


async def test_a_plain_function_is_answered_on_the_spot() -> None:
    """Without a rule, layers or steps a `def` needs no task; its errors are the caller's all the same."""

    @action("spot:take", allow(anyone))
    def spot(ctx: Context, number: int) -> int:
        if number < 0:
            raise NotFound("No such number.")
        return number

    async with started(app_of(spot)) as runtime:
        runner = runtime.runner(spot.name)

        assert runner.instant
        assert runner.run_now(context(runtime, spot), spot.schema.from_python, {"number": 5}) == 5
        with pytest.raises(NotFound) as caught:
            runner.run_now(context(runtime, spot), spot.schema.from_python, {"number": -5})

    assert caught.value.__cause__ is None


async def test_cancelling_a_call_tells_its_steps() -> None:
    """A client that leaves takes its transaction with it."""
    steps = Steps()
    entered = asyncio.Event()

    @action("wait:take", allow(anyone))
    async def wait(ctx: Context) -> None:
        ctx.at_end(steps.step("end"))
        entered.set()
        await asyncio.Event().wait()

    async with started(app_of(wait)) as runtime:
        call = asyncio.ensure_future(run_in(context(runtime, wait), wait))
        await entered.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert steps.told == ["end CancelledError"]
