"""The route traits: under which method and path an action answers, and with which status and Location."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from antiphon.core.access import Allow
from antiphon.core.action import AnyAction
from antiphon.core.durations import parse_duration
from antiphon.core.traits import Trait, answers_on
from antiphon.wire.paths import PathTemplate

PREFIX = "/api"
"""What stands before the path of every route that does not say `outside=True`."""

type Status = int | Callable[[Any], int]


@dataclass(frozen=True, slots=True)
class Route(Trait):
    """One way to an action. A path has places (`/user/{user_id}`), or is a regular expression with named groups."""

    method: str
    path: str | re.Pattern[str]
    status: Status
    location: str
    outside: bool
    fresh_seconds: int = 0

    @property
    def text(self) -> str:
        """The path as documentation shows it, with its prefix."""
        return self.prefix + (self.path if isinstance(self.path, str) else self.path.pattern)

    @property
    def prefix(self) -> str:
        """What stands before the path."""
        return "" if self.outside else PREFIX

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs that the path carries."""
        return PathTemplate(self.path).names if isinstance(self.path, str) else tuple(self.path.groupindex)

    @property
    def summary(self) -> str:
        return f"{self.method} {self.text}"

    @property
    def safe(self) -> bool:
        """Whether the method changes nothing (RFC 9110 §9.2.1)."""
        return self.method == "GET"

    @property
    def reads_only(self) -> bool:
        return self.safe

    def problems(self, action: AnyAction) -> Iterable[str]:
        if not answers_on(action, "http"):
            yield f"{action.where}: {action.name} has a route, and its only(...) leaves HTTP out. Take one away."
        if self.fresh_seconds and ((rule := action.trait(Allow)) is None or not rule.open):
            yield (
                f"{action.where}: the route of {action.name} says fresh_for, so anybody's cache may keep the answer. "
                f"That is for allow(anyone) only: take it out."
            )
        if isinstance(self.path, str) and not self.path.startswith("/"):
            yield f"{action.where}: the path {self.path!r} of {action.name} must begin with a slash."
            return
        fields = {field.name: field for field in action.schema.fields}
        for name in self.names:
            if name not in fields:
                yield (
                    f"{action.where}: the path of {action.name} names {{{name}}}, which is no input of it. "
                    f"Add the parameter, or mend the path."
                )
            elif fields[name].secret:
                yield f"{action.where}: {name} of {action.name} is a secret and must not stand in a path."
        if self.safe and any(field.file for field in fields.values()):
            yield f"{action.where}: {action.name} takes a file, which a GET cannot carry. Use put(...) or post(...)."


def get(
    path: str | re.Pattern[str], *, status: Status = 200, outside: bool = False, fresh_for: str | timedelta = ""
) -> Route:
    """Answer GET (and HEAD). The action must change nothing: its transaction only reads.

    `fresh_for` (`"5m"`) lets everybody keep the answer so long without asking: only for what is the same for anyone.
    """
    fresh = parse_duration(fresh_for) if isinstance(fresh_for, str) and fresh_for else fresh_for
    seconds = int(fresh.total_seconds()) if isinstance(fresh, timedelta) else 0
    return Route("GET", path, status, "", outside, seconds)


def put(path: str | re.Pattern[str], *, status: Status = 200, location: str = "", outside: bool = False) -> Route:
    """Answer PUT. `location` is a path filled from the result, such as `/user/{id}`."""
    return Route("PUT", path, status, location, outside)


def post(path: str | re.Pattern[str], *, status: Status = 200, location: str = "", outside: bool = False) -> Route:
    """Answer POST. `location` is a path filled from the result, such as `/user/{id}`."""
    return Route("POST", path, status, location, outside)


def patch(path: str | re.Pattern[str], *, status: Status = 200, outside: bool = False) -> Route:
    """Answer PATCH."""
    return Route("PATCH", path, status, "", outside)


def delete(path: str | re.Pattern[str], *, status: Status = 200, outside: bool = False) -> Route:
    """Answer DELETE."""
    return Route("DELETE", path, status, "", outside)


@dataclass(frozen=True, slots=True)
class ETag(Trait):
    """The answers of the action carry an entity tag."""

    by: str


def etag(*, by: str = "") -> ETag:
    """Give answers an `ETag`, so that a client that has them already gets 304 (RFC 9110 §13).

    Weak and of the bytes, or strong and of the result's field `by`, such as its version.
    """
    return ETag(by)
