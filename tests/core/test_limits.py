"""The word `limit`, and where in a call limits are asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from antiphon.core.access import Verdict, allow, anyone
from antiphon.core.action import AnyAction, action
from antiphon.core.app import App
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn, SetupError, TooManyCalls
from antiphon.core.limits import Begun, DefaultLimit, Gate, Limit, Limiter, NoDefaults, is_limited, limit
from antiphon.core.service import service
from antiphon.core.session import Identifier
from tests.core.stage import app_of, context, open_stream, run, started

NO_ROOM = TooManyCalls(retry_after=1)


class Counter(Limiter, Gate):
    """Lets `room` calls pass, and remembers what it was asked, with the steps of the calls among it."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.told: list[str] = []

    def gate(self, action: AnyAction) -> Gate | None:
        """Whatever has a limit stands behind this."""
        return self if is_limited(action) else None

    async def charge(self, ctx: Context, *limits: Limit | DefaultLimit, name: str, cost: int = 1) -> None:
        """Remember it."""
        self.told.append(f"charge {name} {cost}")

    def begin(self, ctx: Context) -> Begun | None:
        """Nobody is known before the rule was asked."""
        return None

    async def admit(self, ctx: Context, begun: Begun | None = None) -> None:
        """Charge one call."""
        self.told.append(f"limit {ctx.action_name}")
        if self.room <= 0:
            raise NO_ROOM
        self.room -= 1

    def refused(self, ctx: Context) -> None:
        """Remember it."""
        self.told.append(f"refused {ctx.action_name}")
        if self.room <= 0:
            raise NO_ROOM


def kept_by(counter: Counter) -> App:
    """An application of everything here, whose limits this one decides."""

    @service
    async def counting() -> AsyncIterator[Counter]:
        yield counter

    return app_of(plain, ruled, outer, ticks, free, usual, door, counting)


class Door(Identifier):
    """Knows nobody."""

    async def identify(self, ctx: Context) -> Caller:
        return ANONYMOUS


@service
async def door() -> AsyncIterator[Door]:
    """Nobody is known."""
    yield Door()


async def system_only(ctx: Context) -> Verdict:
    """Ask, and remember that it was asked."""
    ctx.get(Counter).told.append(f"allow {ctx.action_name}")
    return Verdict(granted=ctx.caller.kind == "system")


@action("plain:take", allow(anyone), limit(3, per="1m"))
async def plain(ctx: Context, number: int = 0) -> int:
    """Take a number."""
    ctx.get(Counter).told.append("run")
    return number


@action("ruled:take", allow(system_only), limit(3, per="1m"))
async def ruled(ctx: Context) -> int:
    """Take nothing."""
    return 1


@action("outer:take", allow(anyone), limit(3, per="1m"))
async def outer(ctx: Context) -> int:
    """Make a call."""
    return await ctx.call(ruled)


@action("ticks:count", allow(anyone), limit(3, per="1m"))
async def ticks(ctx: Context) -> AsyncIterator[int]:
    """Count."""
    yield 1


@action("free:take", allow(anyone), limit(None))
def free(ctx: Context) -> int:
    """Take nothing."""
    return 1


@action("usual:take", allow(anyone))
def usual(ctx: Context) -> int:
    """Take nothing, under the limits that every action has."""
    return 1


# The word


NONSENSE: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({"count": 0}, "count from 1"),
    "negative": ({"count": -1}, "count from 1"),
    "no time": ({"per": ""}, 'Write limit(3, per="1m")'),
    "not a time": ({"per": "soon"}, "this is no duration"),
    "at once": ({"per": "0s"}, 'per is from "10ms"'),
    "too long": ({"per": timedelta(days=500)}, 'per is from "10ms"'),
    "too many": ({"count": 30_000_000, "per": "1s"}, "a million calls a second"),
    "no burst": ({"burst": 0}, "from 1"),
    "no cost": ({"cost": 0}, "a cost from 1 to 3"),
    "too dear": ({"cost": 4}, "a cost from 1 to 3"),
    "dearer than the burst": ({"burst": 2, "cost": 3}, "a cost from 1 to 2"),
    "nobody": ({"by": "ip"}, "caller, address, user, tenant, everyone"),
    "neither": ({"without_store": "open"}, '"local" or "refuse"'),
    "no name": ({"count": ""}, 'limit("sign-in")'),
}


@pytest.mark.parametrize("case", NONSENSE)
def test_numbers_that_make_no_sense_are_refused_at_once(case: str) -> None:
    """A limit that could not mean anything is a ValueError that says what to write."""
    given, says = NONSENSE[case]
    count: Any = given.get("count", 3)
    rest: dict[str, Any] = {"per": "1m", **{name: value for name, value in given.items() if name != "count"}}

    with pytest.raises(ValueError, match="limit") as refused:
        limit(count, **rest)

    assert says in str(refused.value)


def test_a_limit_in_words() -> None:
    """Lists of actions show what a limit is."""
    words = [
        limit(30, per="1m").summary,
        limit(10, per="1h30m", by="tenant", burst=2, shadow=True).summary,
        limit("sign-in").summary,
        limit(None).summary,
    ]

    assert words == [
        "30 per 1m by caller",
        "10 per 1h30m by tenant, 2 at once, only watched",
        "the limit sign-in",
        "no default limits",
    ]


def test_a_limit_needs_something_that_decides() -> None:
    """An application without a limiter does not start with an action that is limited, and does with one that is not."""
    with pytest.raises(SetupError, match="Limiter"):
        app_of(plain).plan(app_of(plain).gathered())

    assert isinstance(limit(None), NoDefaults)
    app_of(free, usual).plan(app_of(free, usual).gathered())


# The step


async def test_limits_come_after_the_rule_and_before_the_inputs() -> None:
    """The rule is asked, then the limits, and only then is an input read."""
    counter = Counter()
    async with started(kept_by(counter)) as runtime:
        await run(runtime, ruled, caller=SYSTEM)
        counter.room = 0
        with pytest.raises(TooManyCalls):
            await run(runtime, plain, number="no number")

    assert counter.told == ["allow ruled:take", "limit ruled:take", "limit plain:take"]


async def test_a_call_its_rule_refuses_is_counted_and_not_charged() -> None:
    """The limiter hears of the refusal, and the caller of what the rule said."""
    counter = Counter()
    async with started(kept_by(counter)) as runtime:
        with pytest.raises(NotSignedIn):
            await run(runtime, ruled)

    assert counter.told == ["allow ruled:take", "refused ruled:take"]


async def test_too_many_refusals_are_told_as_such() -> None:
    """When the limiter has had enough of an address, that is what the caller is told."""
    async with started(kept_by(Counter(0))) as runtime:
        with pytest.raises(TooManyCalls):
            await run(runtime, ruled)


async def test_a_call_within_a_call_is_not_charged_again() -> None:
    """The inner call asks its rule, and the outer one has paid."""
    counter = Counter()
    async with started(kept_by(counter)) as runtime:
        await run(runtime, outer, caller=SYSTEM)

    assert counter.told == ["limit outer:take", "allow ruled:take"]


async def test_a_stream_is_limited_before_it_begins() -> None:
    """A stream without room is refused where it is opened."""
    async with started(kept_by(Counter(0))) as runtime:
        with pytest.raises(TooManyCalls):
            await open_stream(context(runtime, ticks), ticks)


async def test_only_what_is_not_limited_is_answered_at_once() -> None:
    """Under a limiter a plain `def` has to wait for its word, unless it is under no limit."""
    async with started(kept_by(Counter())) as runtime:
        assert runtime.runner(free.name).instant
        assert not runtime.runner(usual.name).instant


async def test_without_a_limiter_limits_cost_nothing() -> None:
    """Nothing stands before an action that anybody may call."""
    async with started(app_of(free, usual)) as runtime:
        assert runtime.runner(usual.name).admit is None
        assert runtime.runner(usual.name).instant
