"""Streams end as calls do, and hold nothing while a client takes its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.core.access import Verdict, allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import Caller
from antiphon.core.context import Context
from antiphon.core.errors import Defect, InvalidInput, NotSignedIn
from antiphon.core.service import service
from antiphon.core.session import Identifier
from tests.core.stage import ADA, Steps, app_of, context, open_stream, run, started


class Door(Identifier):
    def __init__(self) -> None:
        self.asked = 0

    async def identify(self, ctx: Context) -> Caller:
        self.asked += 1
        return ADA


@service
async def door() -> AsyncIterator[Door]:
    yield Door()


async def no(ctx: Context) -> Verdict:
    return Verdict(granted=False)


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
            seen += [(item, len(steps.told))]

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
