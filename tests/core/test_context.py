"""The context is one call from inside: what stands by, the calls made from it, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from antiphon.core.access import Verdict, allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, Defect, Forbidden, InvalidInput, NotFound, NotSignedIn, SetupError
from antiphon.core.health import Health
from antiphon.core.service import scoped, service
from antiphon.core.session import Identifier, Session, SessionSource
from antiphon.testing.clock import StandingClock
from tests.core.stage import ADA, Lines, app_of, context, open_stream, run, run_in, started


class Shelf:
    """A service."""


class Drawer(Shelf):
    """A narrower one."""


class Notes:
    """Made once per call."""

    def __init__(self, ctx: Context, shelf: Shelf) -> None:
        self.ctx = ctx
        self.shelf = shelf


class Book:
    """Made once per call from another such thing."""

    def __init__(self, notes: Notes, door: Identifier | None) -> None:
        self.notes = notes
        self.door = door


@service
async def shelf() -> AsyncIterator[Shelf]:
    yield Shelf()


@service
async def drawer() -> AsyncIterator[Drawer]:
    yield Drawer()


@scoped
def notes(ctx: Context, shelf: Shelf) -> Notes:
    return Notes(ctx, shelf)


@scoped
def book(notes: Notes, door: Identifier | None) -> Book:
    return Book(notes, door)


class Door(Identifier):
    def __init__(self) -> None:
        self.asked = 0

    async def identify(self, ctx: Context) -> Caller:
        self.asked += 1
        return ADA


@service
async def door() -> AsyncIterator[Door]:
    yield Door()


class Steps:
    """What the steps of a call's end were told, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def step(self, name: str, fails: Exception | None = None) -> Any:
        async def end(error: BaseException | None) -> None:
            self.told.append(f"{name} {type(error).__name__ if error else 'ok'}")
            if fails is not None:
                raise fails

        return end


@action("plain:take", allow(anyone))
async def take(ctx: Context) -> None: ...


async def no(ctx: Context) -> Verdict:
    return Verdict(granted=False)


@action("closed:take", allow(no))
async def closed(ctx: Context) -> None: ...


# What stands by


async def test_get_gives_services_and_things_of_the_call() -> None:
    """`ctx.get` finds a service of the application, and makes what belongs to a call from it."""
    async with started(app_of(take, shelf, notes, book)) as runtime:
        ctx = context(runtime, take)

        assert ctx.get(Book).notes.shelf is ctx.get(Shelf)
        assert ctx.get(Notes).ctx is ctx


async def test_a_thing_of_the_call_is_made_once_per_call() -> None:
    """Whoever asks within one call gets the same; another call gets another."""
    async with started(app_of(take, shelf, notes, book)) as runtime:
        first, second = context(runtime, take), context(runtime, take)

        assert first.get(Book).notes is first.get(Notes)
        assert first.get(Notes) is not second.get(Notes)


async def test_an_optional_need_may_be_missing() -> None:
    """`X | None` is None where nothing gives an X, and the X where something does."""
    async with started(app_of(take, shelf, notes, book)) as without:
        assert context(without, take).get(Book).door is None
    async with started(app_of(take, shelf, notes, book, door)) as beside:
        assert isinstance(context(beside, take).get(Book).door, Door)


async def test_get_finds_a_service_by_what_it_fulfils() -> None:
    """A service is found by the class it gives and by those that this one fulfils."""
    async with started(app_of(take, drawer)) as runtime:
        assert isinstance(context(runtime, take).get(Shelf), Drawer)


async def test_get_of_what_nothing_gives_says_what_to_add() -> None:
    """A need that nobody declared is told with the line to write."""
    async with started(app_of(take)) as runtime:
        with pytest.raises(SetupError, match=r"plain:take asks for Shelf.*Module\(__name__, needs=\[Shelf\]\)"):
            context(runtime, take).get(Shelf)


async def test_time_and_ids_are_the_applications() -> None:
    """A call sees time as the application's clock tells it."""
    clock = StandingClock(datetime(2026, 5, 1, tzinfo=UTC))
    async with started(app_of(take, clock=clock)) as runtime:
        ctx = context(runtime, take)
        clock.move(timedelta(seconds=90))

        assert ctx.now == datetime(2026, 5, 1, 0, 1, 30, tzinfo=UTC)
        assert ctx.uptime_seconds == 90
        assert ctx.app.name == "pieces"
        assert len(ctx.new_id()) == len(ctx.request_id) == 36
        await ctx.sleep(0)


async def test_health_is_asked_of_every_service_that_can_be_away() -> None:
    """`ctx.health()` names each such service and says how it is."""

    class Pump:
        health_name = "pump"
        health_critical = True

        async def check_health(self) -> Health:
            return Health.DEGRADED

    async with started(app_of(take, values=[Pump()])) as runtime:
        assert await context(runtime, take).health() == {"pump": Health.DEGRADED}


async def test_the_log_of_a_call_names_it() -> None:
    """Every line says which action and which request it belongs to."""
    log = Lines()
    async with started(app_of(log.service, take)) as runtime:
        ctx = context(runtime, take)
        ctx.log.info("note.kept", note=5)

    assert log.of("note.kept") == [{"action": "plain:take", "request_id": ctx.request_id, "note": 5}]


async def test_what_is_told_is_kept_in_order() -> None:
    """Facts lie beside the result; the last of a kind is the one that counts."""
    async with started(app_of(take)) as runtime:
        ctx = context(runtime, take)
        ctx.tell("first")
        ctx.tell(5)
        ctx.tell("second")

    assert (ctx.told(str), ctx.told(int), ctx.told(bytes)) == ("second", 5, None)
    assert ctx.facts == ["first", 5, "second"]


# The end


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


async def test_a_plain_function_cannot_leave_steps_behind() -> None:
    """A `def` that is answered on the spot has no end to await: leaving a step is a defect and not a silent loss."""
    log = Lines()

    @action("ending:plain", allow(anyone))
    def plain_ending(ctx: Context) -> None:
        ctx.at_end(Steps().step("lost"))

    async with started(app_of(log.service, plain_ending)) as runtime:
        with pytest.raises(Defect):
            runtime.runner(plain_ending.name).run_now(
                context(runtime, plain_ending), plain_ending.schema.from_python({})
            )

    assert "Write `async def`" in str(log.of("call.defect")[0]["error"])


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
        assert runner.run_now(context(runtime, spot), spot.schema.from_python({"number": 5})) == 5
        with pytest.raises(NotFound) as caught:
            runner.run_now(context(runtime, spot), spot.schema.from_python({"number": -5}))

    assert caught.value.__cause__ is None


# Calls from a call


async def test_a_call_from_a_call_shares_its_things_and_its_end() -> None:
    """Both work on one transaction: what either makes ends with the outer call."""
    steps = Steps()

    @action("inner:take", allow(anyone))
    async def inner(ctx: Context) -> None:
        ctx.at_end(steps.step("inner"))
        ctx.tell("inner")
        ctx.get(Notes)

    @action("outer:take", allow(anyone))
    async def outer(ctx: Context) -> None:
        await ctx.call(inner)
        steps.told.append("back")
        assert ctx.get(Notes).ctx.action_name == "inner:take"
        assert ctx.told(str) == "inner"
        ctx.at_end(steps.step("outer"))

    async with started(app_of(shelf, notes, inner, outer)) as runtime:
        await run(runtime, outer)

    assert steps.told == ["back", "inner ok", "outer ok"]


async def test_a_call_from_a_call_asks_its_own_rule() -> None:
    """Who may call the outer action need not be allowed the inner one."""

    @action("outer:take", allow(anyone))
    async def outer(ctx: Context) -> None:
        await ctx.call(closed)

    async with started(app_of(door, closed, outer)) as runtime:
        with pytest.raises(Forbidden):
            await run(runtime, outer, caller=ADA)
        with pytest.raises(NotSignedIn):
            await run(runtime, outer, caller=ANONYMOUS)


async def test_a_caller_is_identified_once_for_both() -> None:
    """What the inner call learns about the caller the outer one knows."""

    @action("inner:take", allow(anyone))
    async def inner(ctx: Context) -> str:
        return (await ctx.identify()).id

    @action("outer:take", allow(anyone))
    async def outer(ctx: Context) -> str:
        first = await ctx.call(inner)
        return first + ctx.caller.id

    async with started(app_of(door, inner, outer)) as runtime:
        assert await run(runtime, outer, caller=None) == "adaada"
        found = runtime.find(Door)

    assert found is not None
    assert found.asked == 1


async def test_signing_in_from_a_call_signs_the_outer_one_in() -> None:
    """There is one session and one caller: an inner call that signs in does so for both."""

    class Sessions(SessionSource):
        def __init__(self) -> None:
            self.asked = 0

        async def session_of(self, ctx: Context) -> Session:
            self.asked += 1
            session: Any = object()
            return session

    source = Sessions()

    @action("inner:sign", allow(anyone))
    async def sign(ctx: Context) -> None:
        await ctx.session()
        ctx.become(ADA)

    @action("outer:sign", allow(anyone))
    async def outer(ctx: Context) -> str:
        await ctx.call(sign)
        await ctx.session()
        return ctx.caller.id

    async with started(app_of(sign, outer, values=[source])) as runtime:
        assert await run(runtime, outer) == "ada"

    assert source.asked == 1


async def test_the_inputs_of_a_call_from_a_call_are_checked() -> None:
    """A call made in code is checked as one that was sent, and names what does not fit."""

    @action("inner:number", allow(anyone))
    async def number(ctx: Context, number: int) -> int:
        return number

    @action("outer:number", allow(anyone))
    async def outer(ctx: Context) -> int:
        text: Any = "5"
        return await ctx.call(number, text)

    async with started(app_of(number, outer)) as runtime:
        with pytest.raises(InvalidInput):
            await run(runtime, outer)


async def test_an_error_of_an_inner_call_can_be_caught() -> None:
    """What an inner call raises is an exception like any other, and the outer call may go on."""

    @action("inner:find", allow(anyone))
    async def find(ctx: Context) -> str:
        raise NotFound

    @action("outer:find", allow(anyone))
    async def outer(ctx: Context) -> str:
        try:
            return await ctx.call(find)
        except NotFound:
            return "nothing"

    async with started(app_of(find, outer)) as runtime:
        assert await run(runtime, outer) == "nothing"


# Streams


class Taps:
    """What became of the generator."""

    def __init__(self) -> None:
        self.closed = False


def counting(taps: Taps, steps: Steps) -> Any:
    @action("count:take", allow(anyone))
    async def count(ctx: Context, to: int = 3, fails: bool = False) -> AsyncIterator[int]:
        ctx.at_end(steps.step("end"))
        try:
            for number in range(to):
                yield number
            if fails:
                raise ZeroDivisionError
        finally:
            taps.closed = True

    return count


async def test_a_stream_is_taken_item_by_item() -> None:
    """`ctx.stream` gives the items of a streaming action."""
    count = counting(Taps(), Steps())

    @action("sum:take", allow(anyone))
    async def total(ctx: Context) -> int:
        return sum([number async for number in ctx.stream(count, to=4)])

    async with started(app_of(count, total)) as runtime:
        assert await run(runtime, total) == 6


async def test_a_stream_left_early_is_closed() -> None:
    """A consumer that has had enough and closes what it took does not leave the action hanging."""
    taps = Taps()
    count = counting(taps, Steps())

    @action("first:take", allow(anyone))
    async def first(ctx: Context) -> bool:
        items: Any = ctx.stream(count)
        await anext(items)
        await items.aclose()
        return taps.closed

    async with started(app_of(count, first)) as runtime:
        assert await run(runtime, first) is True


async def test_the_steps_of_a_stream_run_before_each_item() -> None:
    """No transaction is held while a client takes its time: the end comes before every item, and at the last."""
    taps, steps = Taps(), Steps()
    count = counting(taps, steps)
    seen: list[tuple[int, int]] = []

    async with started(app_of(count)) as runtime:
        async for item in await open_stream(context(runtime, count), count, to=2):
            seen.append((item, len(steps.told)))

    assert seen == [(0, 1), (1, 2)]
    assert steps.told == ["end ok"] * 3


async def test_a_stream_that_fails_tells_its_steps() -> None:
    """What breaks a stream is a defect to the caller and an error to its steps."""
    taps, steps = Taps(), Steps()
    count = counting(taps, steps)

    async with started(app_of(count)) as runtime:
        items = await open_stream(context(runtime, count), count, to=1, fails=True)
        await anext(items)
        with pytest.raises(Defect):
            await anext(items)
        outcomes = runtime.tallies.items()[0][1].outcomes

    assert (taps.closed, outcomes) == (True, {"DEFECT": 1})
    assert steps.told[-1] != "end ok"


async def test_a_stream_whose_client_leaves_is_closed_and_rolled_back() -> None:
    """Closing the iterator closes the action's generator, and its steps are told that it did not end."""
    taps, steps = Taps(), Steps()
    count = counting(taps, steps)

    async with started(app_of(count)) as runtime:
        items: Any = await open_stream(context(runtime, count), count)
        await anext(items)
        await items.aclose()
        outcomes = runtime.tallies.items()[0][1].outcomes

    assert (taps.closed, outcomes) == (True, {"LEFT": 1})
    assert steps.told == ["end ok", "end CancelledError"]


async def test_a_stream_is_refused_before_it_begins() -> None:
    """The rule and the inputs are asked before there is an iterator."""

    @action("closed:count", allow(no))
    async def never(ctx: Context) -> AsyncIterator[int]:
        yield 1

    count = counting(Taps(), Steps())
    async with started(app_of(door, never, count)) as runtime:
        with pytest.raises(NotSignedIn):
            await open_stream(context(runtime, never), never)
        with pytest.raises(InvalidInput):
            await open_stream(context(runtime, count), count, to="many")


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
