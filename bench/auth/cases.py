"""What is asked: the same call with nothing around it, then with one thing after another, then with all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

type Shown = Literal["", "cookie", "token", "key"]

FREE = "free"
ALL = "all-cookie"
"""What most calls of an application are: a session, a permission, and limits."""

FLOOD = "flood"
"""What `--only` calls the flood of sign-ins, which is no case."""


@dataclass(frozen=True)
class Case:
    """One way to call: `path` names the action under `/api`, `shown` what the client sends to be known by.

    `trips` is how often the store may be asked for one call, once the process knows the caller.
    """

    key: str
    words: str
    path: str
    shown: Shown = ""
    trips: int = 1


CASES: tuple[Case, ...] = (
    Case(FREE, "nothing: open to everybody, without limits", "/api/free", trips=0),
    Case("session", "session cookie", "/api/known", "cookie"),
    Case("token", "access token", "/api/known", "token"),
    Case("api-key", "API key", "/api/known", "key"),
    Case("defaults", "default limits, nobody signed in", "/api/defaults"),
    Case("window", "one sliding window", "/api/window"),
    Case("gcra", "one even flow (GCRA)", "/api/gcra"),
    Case("several", "four limits: two windows, two flows", "/api/several"),
    Case("session-limits", "session cookie, default limits", "/api/both", "cookie"),
    Case(ALL, "all by cookie: a permission, default limits, two of its own", "/api/all", "cookie"),
    Case("all-token", "all by access token", "/api/all", "token"),
    Case("all-key", "all by API key", "/api/all", "key"),
)


def chosen(names: str) -> list[Case]:
    """The cases with these keys, comma-separated, and the one they are compared with; all of them for an empty text."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [case.key for case in CASES]
    unknown = [name for name in wanted if name not in (*known, FLOOD)]
    if unknown:
        raise ValueError(f"--only names {', '.join(unknown)}. There are: {', '.join((*known, FLOOD))}.")
    return [case for case in CASES if not wanted or case.key in (*wanted, FREE)]
