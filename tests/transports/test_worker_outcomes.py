"""What becomes of a job whose run failed: the table, and what the action says above it."""

from __future__ import annotations

import pytest

from antiphon.core.errors import (
    CALL_ERRORS,
    CallError,
    Defect,
    Forbidden,
    InvalidInput,
    NotFound,
    TimedOut,
    TooManyCalls,
    Unavailable,
)
from antiphon.core.job import RetryPlan, Snoozed
from antiphon.core.traits import after, never, retry
from antiphon.transports.worker.outcomes import EXHAUSTED, REFUSED, RULES, Rule, judge

PLAN = RetryPlan()


class PaymentRefused(Exception):
    """An error that only the action knows."""


def defect_of(error: Exception) -> Defect:
    """What the runner makes of an error that it does not know."""
    defect = Defect()
    defect.__cause__ = error
    return defect


def test_every_error_has_its_rule() -> None:
    """The table misses none, and has nothing else: a new error has to say here what becomes of its job."""
    assert set(RULES) == {*CALL_ERRORS, Defect, Snoozed}


@pytest.mark.parametrize("error", [error for error in CALL_ERRORS if RULES[error] is Rule.DEAD])
def test_what_would_fail_again_is_dead_at_once(error: type[CallError]) -> None:
    """However many attempts are left."""
    assert judge(error(), PLAN, 1, 5) == (None, True, REFUSED)


def test_the_dead_ones_are_those_of_the_contract() -> None:
    """As it is written for background tasks, and no other error is."""
    dead = {error.type for error in CALL_ERRORS if RULES[error] is Rule.DEAD}

    assert dead == {"INVALID_INPUT", "NOT_SIGNED_IN", "FORBIDDEN", "NOT_FOUND", "CONFLICT", "TOO_LARGE"}


@pytest.mark.parametrize("error", [TimedOut(), Defect(), Unavailable(retry_after=0)])
def test_what_may_pass_runs_again_within_a_time_that_doubles(error: Exception) -> None:
    """A random time from nothing to the longest one, which is twice as long after each attempt, up to `max`."""
    plan = RetryPlan(attempts=50, first=1.0, most=8.0)

    for attempt, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (5, 8.0), (49, 8.0)):
        waits = [verdict.again for _ in range(200) if (verdict := judge(error, plan, attempt, 50)).counted]
        assert len(waits) == 200
        assert all(wait is not None and 0 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 100


def test_what_is_away_is_not_asked_before_its_time() -> None:
    """`retry_after` is the least, and the attempt counts."""
    verdict = judge(Unavailable(retry_after=60), PLAN, 1, 5)

    assert verdict == (60.0, True, "")


@pytest.mark.parametrize("error", [TooManyCalls(retry_after=7), Snoozed(7)])
def test_who_asks_for_a_time_gets_it_and_it_does_not_count(error: Exception) -> None:
    """Not even on the last attempt."""
    assert judge(error, PLAN, 5, 5) == (7.0, False, "")


def test_the_last_attempt_is_the_end() -> None:
    """Whatever may pass has then had its chances."""
    assert judge(TimedOut(), PLAN, 5, 5) == (None, True, EXHAUSTED)


def test_the_action_can_say_never() -> None:
    """`retry(on={...: never})`, for an error of its own and for one of ours."""
    plan = retry(on={PaymentRefused: never, TimedOut: never}).plan

    assert judge(defect_of(PaymentRefused()), plan, 1, 5).reason == REFUSED
    assert judge(TimedOut(), plan, 1, 5).reason == REFUSED


def test_the_action_can_say_when() -> None:
    """`retry(on={...: after("1m")})`, exactly, also for an error that the table would not try again."""
    plan = retry(on={PaymentRefused: after("1m"), NotFound: after("5s")}).plan

    assert judge(defect_of(PaymentRefused()), plan, 1, 5) == (60.0, True, "")
    assert judge(NotFound(), plan, 1, 5) == (5.0, True, "")
    assert judge(NotFound(), plan, 5, 5).reason == EXHAUSTED


def test_the_nearest_class_counts() -> None:
    """What is said about an error holds for those that are one, unless something nearer is said."""
    plan = retry(on={CallError: after("1m"), InvalidInput: never}).plan

    assert judge(Forbidden(), plan, 1, 5).again == 60.0
    assert judge(InvalidInput(), plan, 1, 5).again is None
