"""What callers are told of limits: the fields `RateLimit-Policy` and `RateLimit`, and two types of problem details."""

# draft-ietf-httpapi-ratelimit-headers, as structured fields (RFC 9651):
#
#     RateLimit-Policy: "user";q=600;w=60, "tenant";q=6000;w=60     every limit: its quota, and its window in seconds
#     RateLimit: "user";r=412;t=17                                  the tightest: what remains, and when there is more
#
# Times are whole seconds, rounded up: whoever waits that long has waited long enough.

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import ceil

from antiphon.core.limits import LimiterAway, LimitState, OverLimit
from antiphon.transports.base import Told
from antiphon.wire.response import Headers

_PROBLEMS = "https://iana.org/assignments/http-problem-types"
QUOTA_EXCEEDED = f"{_PROBLEMS}#quota-exceeded"
TEMPORARY_REDUCED_CAPACITY = f"{_PROBLEMS}#temporary-reduced-capacity"


def limit_fields(facts: Iterable[object] | None) -> Headers:
    """The fields for what was told of limits; none when nothing was."""
    states = [fact for fact in facts or () if isinstance(fact, LimitState)]
    if not states:
        return []
    tightest = min(states, key=lambda state: (state.remaining, -state.reset_seconds))
    policies = ", ".join([_policy(state.policy, state.quota, state.window_seconds) for state in states])
    current = f"{_text(tightest.policy)};r={tightest.remaining};t={ceil(tightest.reset_seconds)}"
    return [(b"ratelimit-policy", policies.encode()), (b"ratelimit", current.encode())]


def problem_type(error: Told) -> str | None:
    """The registered type of a problem that is about limits, or None."""
    if isinstance(error, OverLimit):
        return QUOTA_EXCEEDED
    return TEMPORARY_REDUCED_CAPACITY if isinstance(error, LimiterAway) else None


@lru_cache(maxsize=1024)
def _policy(name: str, quota: int, window_seconds: float) -> str:
    return f"{_text(name)};q={quota};w={ceil(window_seconds)}"


@lru_cache(maxsize=1024)
def _text(name: str) -> str:
    """A string of a structured field, which is printable ASCII (RFC 9651 §3.3.3)."""
    shown = "".join(letter if " " <= letter <= "~" else "?" for letter in name)
    return '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
