"""The numbers of limits: those every action has, those with a name, and what production refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import SetupError
from antiphon.core.limits import limit
from antiphon.services.limits.lockout import LockoutSettings
from antiphon.services.limits.policies import defaults, policies_of
from antiphon.services.limits.settings import LimitSettings


@action("one:take", allow(anyone), limit(3, per="1m"), limit(5, per="1h", by="address"))
def several(ctx: Context) -> None:
    """Under two limits of its own."""


@action("one:free", allow(anyone), limit(None), limit("sign-in"))
def named(ctx: Context) -> None:
    """Under one limit with a name, and no other."""


@action("one:odd", allow(anyone), limit("sing-in"))
def odd(ctx: Context) -> None:
    """Under a limit that there is not."""


def test_every_action_has_the_defaults() -> None:
    """120 calls a minute of an anonymous address, 600 of a user, 6,000 of a tenant; all counted without the store."""
    shown = [(policy.who, policy.quota, policy.seconds, policy.refuses_alone) for policy in defaults(LimitSettings())]

    assert shown == [("anonymous", 120, 60, False), ("user", 600, 60, False), ("tenant", 6_000, 60, False)]


@pytest.mark.parametrize(
    ("name", "count", "seconds", "by", "without_store"),
    [
        ("sign-in", 20, 60, "address", "refuse"),
        ("sign-up", 60, 3600, "address", "refuse"),
        ("reset", 10, 3600, "address", "refuse"),
        ("refresh", 30, 60, "caller", "refuse"),
        ("graphql-user", 20_000, 60, "user", "local"),
        ("graphql-tenant", 200_000, 60, "tenant", "local"),
        ("enqueue", 1_000, 60, "tenant", "local"),
        ("upload", 60, 3600, "user", "local"),
    ],
)
def test_limits_with_a_name(name: str, count: int, seconds: float, by: str, without_store: str) -> None:
    """The flows that cost most have numbers of their own, and those of identity are refused without the store."""
    made = LimitSettings().named()[name]

    assert (made.count, made.seconds, made.by, made.without_store) == (count, seconds, by, without_store)


def test_the_scale_multiplies_the_defaults() -> None:
    """Those of every action and those with a name, never to less than one; what an action says by itself stays."""
    many, few = LimitSettings(scale=2.5), LimitSettings(scale=0.001)

    assert [policy.quota for policy in policies_of(several, many)] == [300, 1_500, 15_000, 3, 5]
    assert many.named()["sign-in"].count == 50
    assert few.named()["sign-in"].count == 1


def test_limits_of_one_action_have_names_of_their_own() -> None:
    """Two limits of one action are told apart by number, and a named one keeps its name."""
    assert [policy.name for policy in policies_of(several, LimitSettings())][3:] == ["one:take.1", "one:take.2"]
    assert [policy.name for policy in policies_of(named, LimitSettings())] == ["sign-in"]


def test_a_name_that_is_no_limit_is_said() -> None:
    """A SetupError names the action's place and the names that there are."""
    with pytest.raises(SetupError, match=r"no limit 'sing-in'.*sign-in, sign-up"):
        policies_of(odd, LimitSettings())


def test_production_is_never_without_limits() -> None:
    """Switching them off is for measurements."""
    off = LimitSettings(enabled=False)

    assert [fault.name for fault in off.problems("production")] == ["enabled"]
    assert list(off.problems("development")) == []


@pytest.mark.parametrize("wrong", [timedelta(0), timedelta(minutes=16)])
def test_a_first_wait_is_one_and_not_the_longest(wrong: timedelta) -> None:
    """Without it guessing would cost nothing."""
    settings = LockoutSettings(first_time=wrong)

    assert [fault.name for fault in settings.problems("production")] == ["first_time"]
