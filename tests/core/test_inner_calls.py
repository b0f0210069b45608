"""Calls made from a call share its time, things and end, and ask their own rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from antiphon.core.access import Verdict, allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.context import Context
from antiphon.core.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from antiphon.core.service import scoped, service
from antiphon.core.session import Identifier, Session, SessionSource
from tests.core.stage import ADA, Steps, app_of, run, started


class Shelf:
    """A service."""


class Notes:
    """Made once per call."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx


@scoped
def notes(ctx: Context, shelf: Shelf) -> Notes:
    return Notes(ctx)


@service
async def shelf() -> AsyncIterator[Shelf]:
    yield Shelf()


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


@action("closed:take", allow(no))
async def closed(ctx: Context) -> None: ...


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
