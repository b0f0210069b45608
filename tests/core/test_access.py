"""Who may call: rules are asked in order, one yes is enough, and a refusal tells the caller nothing but no."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from antiphon.core.access import GRANTED, Allow, Rule, Verdict, all_of, allow, anyone, named, require
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.context import Context
from antiphon.core.errors import Forbidden, InvalidInput, NotSignedIn, SetupError
from antiphon.core.service import service
from antiphon.core.session import Identifier
from tests.core.stage import ADA, Lines, app_of, context, run, run_in, started


async def never(ctx: Context) -> Verdict:
    return Verdict(granted=False, reason="it is never so")


async def silent(ctx: Context) -> Verdict:
    return Verdict(granted=False)


async def mine(ctx: Context) -> Verdict:
    return Verdict(granted=True, scope="own")


async def mine_too(ctx: Context) -> Verdict:
    return await mine(ctx)


async def everything(ctx: Context) -> Verdict:
    return Verdict(granted=True, scope="all")


async def unscoped(ctx: Context) -> Verdict:
    return GRANTED


async def unreached(ctx: Context) -> Verdict:
    raise AssertionError("a rule after the first yes was asked")


class Door(Identifier):
    """Identifies everybody as Ada, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def identify(self, ctx: Context) -> Caller:
        self.asked += 1
        return ADA


@service
async def door() -> AsyncIterator[Door]:
    yield Door()


@action("open:take", allow(anyone))
async def take_open(ctx: Context) -> str:
    return ctx.caller.id


@action("open:identify", allow(anyone))
async def identify(ctx: Context) -> str:
    return (await ctx.identify()).id


@action("mine:take", allow(never, mine, unreached))
async def take_mine(ctx: Context) -> str:
    return ctx.scope


@action("closed:take", allow(never, silent))
async def take_closed(ctx: Context, number: int) -> None:
    raise AssertionError("a refused call ran")


@action("mine:number", allow(mine))
async def take_number(ctx: Context, number: int) -> None: ...


@action("both:take", allow(all_of(mine, everything, unscoped)))
async def take_both(ctx: Context) -> str:
    return ctx.scope


@action("neither:take", allow(all_of(mine, never, unreached)))
async def take_neither(ctx: Context) -> None: ...


@action("inside:take", allow(anyone))
async def take_inside(ctx: Context) -> str:
    await require(never, ctx)
    return "reached"


@action("inside:pass", allow(anyone))
async def pass_inside(ctx: Context) -> str:
    await require(mine, ctx)
    return (await ctx.identify()).id


async def test_under_anyone_nobody_is_identified() -> None:
    """An open action costs no look-up of the caller; it may still ask."""
    async with started(app_of(door, take_open)) as runtime:
        assert await run(runtime, take_open, caller=None) == ""
        found = runtime.find(Door)

    assert found is not None
    assert found.asked == 0


async def test_an_open_action_may_ask_who_calls() -> None:
    """`ctx.identify()` asks once, however often it is called."""
    async with started(app_of(door, identify)) as runtime:
        ctx = context(runtime, identify, None)

        assert await run_in(ctx, identify) == "ada"
        await ctx.identify()
        found = runtime.find(Door)

    assert found is not None
    assert found.asked == 1


async def test_without_an_identifier_everybody_is_anonymous() -> None:
    """An application without identities knows nobody."""
    async with started(app_of(identify)) as runtime:
        assert await run(runtime, identify, caller=None) == ""


async def test_a_rule_identifies_the_caller_first() -> None:
    """Under a rule the caller is known before the action runs."""
    async with started(app_of(door, take_mine)) as runtime:
        ctx = context(runtime, take_mine, None)
        await run_in(ctx, take_mine)

    assert ctx.caller == ADA


async def test_the_first_yes_is_enough() -> None:
    """Rules are asked in order until one grants; its scope is the call's, and later rules are not asked."""
    async with started(app_of(door, take_mine)) as runtime:
        assert await run(runtime, take_mine) == "own"


async def test_all_of_asks_for_every_yes() -> None:
    """`all_of` grants when each rule does; the last scope named is the call's."""
    async with started(app_of(door, take_both)) as runtime:
        assert await run(runtime, take_both) == "all"


async def test_all_of_stops_at_the_first_no() -> None:
    """One no refuses, and the rules after it are not asked."""
    async with started(app_of(door, take_neither)) as runtime:
        with pytest.raises(Forbidden):
            await run(runtime, take_neither, caller=ADA)


@pytest.mark.parametrize(("caller", "error"), [(ANONYMOUS, NotSignedIn), (ADA, Forbidden), (SYSTEM, Forbidden)])
async def test_who_the_caller_is_decides_the_refusal(caller: Caller, error: type[Exception]) -> None:
    """Whoever we do not know is asked to sign in; whoever we know is told no."""
    async with started(app_of(door, take_closed)) as runtime:
        with pytest.raises(error):
            await run(runtime, take_closed, caller=caller, number=1)


async def test_a_refused_caller_learns_nothing_of_the_inputs() -> None:
    """The rule comes before the inputs: bad ones and good ones are refused alike."""
    async with started(app_of(door, take_closed)) as runtime:
        with pytest.raises(NotSignedIn):
            await run(runtime, take_closed, number="bad")


async def test_an_allowed_caller_hears_of_the_inputs() -> None:
    """Only who may call is told what does not fit."""
    async with started(app_of(door, take_number)) as runtime:
        with pytest.raises(InvalidInput):
            await run(runtime, take_number, caller=ADA, number="bad")


async def test_a_refusal_is_logged_with_its_reasons() -> None:
    """The log says which rules refused and why; the caller is told only no."""
    log = Lines()

    async with started(app_of(log.service, door, take_closed)) as runtime:
        ctx = context(runtime, take_closed, ADA)
        with pytest.raises(Forbidden) as caught:
            await run_in(ctx, take_closed, number=1)

    assert str(caught.value) == "You may not do this."
    assert log.of("call.refused") == [
        {
            "action": "closed:take",
            "request_id": ctx.request_id,
            "rules": ["never: it is never so", "silent: refused"],
            "roles": ["editor"],
        }
    ]


async def test_require_refuses_inside_an_action() -> None:
    """A rule asked inside refuses as it does before, and is logged as it is before."""
    log = Lines()

    async with started(app_of(log.service, door, take_inside)) as runtime:
        with pytest.raises(Forbidden):
            await run(runtime, take_inside, caller=None)

    assert [line["rules"] for line in log.of("call.refused")] == [["never: it is never so"]]


async def test_require_lets_pass_who_may() -> None:
    """A rule that grants inside changes nothing but that the caller is known."""
    async with started(app_of(door, pass_inside)) as runtime:
        assert await run(runtime, pass_inside, caller=None) == "ada"


async def test_a_rule_needs_somebody_who_identifies() -> None:
    """An application that asks for callers and cannot know any does not start."""
    with pytest.raises(SetupError, match="Nothing gives Identifier, which is needed: mine:take → Identifier"):
        async with started(app_of(take_mine)):
            pass


def test_allow_without_a_rule_is_refused() -> None:
    """`allow()` means nothing."""
    with pytest.raises(TypeError, match=r"allow\(anyone\)"):
        allow()


def test_all_of_nothing_is_refused() -> None:
    """Without a rule, `all_of()` would say yes to everybody."""
    with pytest.raises(TypeError, match="yes to everybody"):
        all_of()


@pytest.mark.parametrize(
    ("trait", "summary"),
    [
        (allow(anyone), "anyone"),
        (allow(never, mine), "never or mine"),
        (allow(all_of(mine, never)), "all_of(mine, never)"),
        (allow(named(mine_too, "owner")), "owner"),
    ],
)
def test_a_rule_goes_by_its_name(trait: Allow, summary: str) -> None:
    """Lists of actions say who may by the names of the rules."""
    assert trait.summary == summary


def test_only_anyone_opens_an_action() -> None:
    """`anyone` beside other rules opens it too; nothing else does."""
    rules: list[Rule] = [anyone, mine]

    assert (allow(*rules).open, allow(mine).open) == (True, False)
    assert list(allow(mine).needs) == [Identifier]
    assert list(allow(anyone).needs) == []
