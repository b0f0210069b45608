"""The table from error to what becomes of the job: dead, again, or again without counting."""

# What becomes of a job whose run ended with an error:
#
#   rule          the job …                                                              counts
#   DEAD          is dead at once: the same inputs would fail again                      yes
#   AGAIN         runs again after a random time that doubles with each attempt          yes
#   NOT_BEFORE    the same, but not before the error's own `retry_after`                 yes
#   AT            runs again exactly then, as it has asked for                           no
#
# `retry(on=...)` of the action stands above the table. A counted error on the last attempt is the end. The random time
# is between nothing and the longest one (full jitter): many jobs that failed together do not come back together.

from __future__ import annotations

from enum import Enum, auto
from random import random
from typing import NamedTuple

from antiphon.core.errors import (
    CallError,
    Conflict,
    Defect,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    TimedOut,
    TooLarge,
    TooManyCalls,
    Unavailable,
)
from antiphon.core.job import After, Never, RetryPlan, Snoozed


class Rule(Enum):
    """What an error means for the job."""

    DEAD = auto()
    AGAIN = auto()
    NOT_BEFORE = auto()
    AT = auto()


RULES: dict[type[CallError] | type[Defect] | type[Snoozed], Rule] = {
    InvalidInput: Rule.DEAD,
    NotSignedIn: Rule.DEAD,
    Forbidden: Rule.DEAD,
    NotFound: Rule.DEAD,
    Conflict: Rule.DEAD,
    TooManyCalls: Rule.AT,
    TooLarge: Rule.DEAD,
    TimedOut: Rule.AGAIN,
    Unavailable: Rule.NOT_BEFORE,
    Defect: Rule.AGAIN,
    Snoozed: Rule.AT,
}

REFUSED = "refused"
"""Why a job is dead: its error says that the same would happen again."""

EXHAUSTED = "exhausted"
"""Why a job is dead: it has used up its attempts."""


class Verdict(NamedTuple):
    """What becomes of the job. `again` is in seconds; None is the end, for this reason."""

    again: float | None
    counted: bool = True
    reason: str = ""


def judge(error: BaseException, plan: RetryPlan, attempt: int, attempts: int) -> Verdict:
    """What becomes of a job whose run number `attempt`, of so many that it has, ended with this error."""
    rule = rule_of(error)
    if rule is Rule.AT:
        return Verdict(_own_time(error), counted=False)
    # The runner tells every foreign exception as a Defect, and the action means the one behind it.
    said = plan.again(error.__cause__ if isinstance(error, Defect) and error.__cause__ is not None else error)
    if isinstance(said, Never) or (said is None and rule is Rule.DEAD):
        return Verdict(None, reason=REFUSED)
    if attempt >= attempts:
        return Verdict(None, reason=EXHAUSTED)
    if isinstance(said, After):
        return Verdict(said.seconds)
    wait = random() * plan.longest_wait(attempt)  # noqa: S311  # no secret
    return Verdict(max(wait, _own_time(error)) if rule is Rule.NOT_BEFORE else wait)


def rule_of(error: BaseException) -> Rule:
    """What the table says; what nobody foresaw is a defect."""
    return next((RULES[kind] for kind in type(error).__mro__ if kind in RULES), RULES[Defect])


def _own_time(error: BaseException) -> float:
    if isinstance(error, Snoozed):
        return error.seconds
    return float(getattr(error, "retry_after", 0.0))
