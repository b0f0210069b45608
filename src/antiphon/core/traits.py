"""Traits: words beside an action's name that say how it is reached, allowed, limited and run.

A trait belongs to the part that understands it; core knows only what all of them share. Those that several parts read
(`timeout`, `retry`, `only`, `raises`, `deprecated`) are defined here, and each part reads them in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from antiphon.core.connection import TransportName
from antiphon.core.durations import parse_duration
from antiphon.core.errors import CallError
from antiphon.core.job import After, Again, Never, RetryPlan

if TYPE_CHECKING:
    from antiphon.core.action import AnyAction
    from antiphon.core.middleware import Middleware


class Trait:
    """One word about an action. Subclasses are small frozen values."""

    __slots__ = ()

    @property
    def summary(self) -> str:
        """The trait in a few words, for lists of actions; empty when there is nothing to say."""
        return ""

    @property
    def reads_only(self) -> bool | None:
        """Whether the action changes nothing, as far as this trait can say; None when it has no word on that."""
        return None

    @property
    def needs(self) -> Iterable[type]:
        """Services that must be there for this trait to work."""
        return ()

    def problems(self, action: AnyAction) -> Iterable[str]:
        """What is wrong with this trait on this action; anything at all stops the start-up."""
        return ()

    def warnings(self, action: AnyAction) -> Iterable[str]:
        """What somebody should know of it before this is deployed, though it starts: told by `check --deploy`."""
        return ()

    def layer(self, action: AnyAction) -> Middleware | None:
        """The layer this trait puts around the action, or None."""
        return None


@dataclass(frozen=True, slots=True)
class Around(Trait):
    """A middleware around this one action."""

    middleware: Middleware

    def layer(self, action: AnyAction) -> Middleware | None:
        return self.middleware


@dataclass(frozen=True, slots=True)
class Timeout(Trait):
    """The time one call of the action has, instead of the transport's own."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Retry(Trait):
    """How often a call that failed is tried again by whoever can: the worker, the buffer, a client."""

    plan: RetryPlan


@dataclass(frozen=True, slots=True)
class Only(Trait):
    """The transports that answer the action; on every other one it does not exist."""

    transports: frozenset[TransportName]

    @property
    def summary(self) -> str:
        return f"only {', '.join(sorted(self.transports))}"

    def problems(self, action: AnyAction) -> Iterable[str]:
        if self.transports - {"worker"}:
            return
        for field in action.schema.fields:
            if field.secret or field.file:
                what = "secret, and would lie in the store" if field.secret else "a file, which ends with its call"
                yield (
                    f"{action.where}: {action.name} is queued, and its input {field.name!r} is {what}. "
                    f"Pass a reference to it."
                )


@dataclass(frozen=True, slots=True)
class Raises(Trait):
    """The errors that the action's own code raises, for its documentation."""

    errors: tuple[type[CallError], ...]


@dataclass(frozen=True, slots=True)
class Deprecated(Trait):
    """The action still works, and callers should use something else."""

    reason: str


def around(middleware: Middleware) -> Around:
    """Put a middleware around this one action, inside those of the application."""
    return Around(middleware)


def timeout(time: str | timedelta) -> Timeout:
    """End a call of this action with TimedOut after this long (`"30s"`)."""
    return Timeout(_seconds(time))


never = Never()
"""In `retry(on=...)`: an error after which nothing is tried again."""


def after(time: str | timedelta) -> After:
    """In `retry(on=...)`: an error after which the next try comes exactly this long later (`"1m"`)."""
    return After(_seconds(time))


def retry(
    *,
    attempts: int = 5,
    first: str | timedelta = "1s",
    max: str | timedelta = "15m",  # the word that users read
    on: Mapping[type[BaseException], Again] | None = None,
) -> Retry:
    """Try a failed call again: at random within `first`, then twice as much each time up to `max`.

    `on` overrides it for single errors: `retry(on={PaymentRefused: never, RateLimited: after("1m")})`. Raises
    ValueError for fewer attempts than one.
    """
    if attempts < 1:
        raise ValueError("retry(attempts=...) counts the first try as well: write 1 for an action that is tried once.")
    return Retry(RetryPlan(attempts, _seconds(first), _seconds(max), dict(on or {})))


def only(*transports: TransportName) -> Only:
    """Answer on these transports alone: `only("worker")` is an action that nobody calls but the queue."""
    if not transports:
        raise TypeError('only() needs a transport, such as only("worker")')
    return Only(frozenset(transports))


def answers_on(action: AnyAction, transport: TransportName) -> bool:
    """Whether the action exists on this transport."""
    limit = find(action.traits, Only)
    return limit is None or transport in limit.transports


def is_reachable(action: AnyAction) -> bool:
    """Whether calls of the action may come over a network: it is on a transport beside the terminal and the queue."""
    limit = find(action.traits, Only)
    return limit is None or bool(limit.transports - {"cli", "worker"})


def _seconds(time: str | timedelta) -> float:
    return (parse_duration(time) if isinstance(time, str) else time).total_seconds()


def raises(*errors: type[CallError]) -> Raises:
    """Name the errors that the action raises by itself; those of its rule and inputs are known without."""
    return Raises(errors)


def deprecated(reason: str) -> Deprecated:
    """Mark an action as one to leave; the reason says what to use instead."""
    return Deprecated(reason)


def find[T](traits: Iterable[Any], kind: type[T]) -> T | None:
    """The trait of this kind, or None. The last one counts."""
    found: T | None = None
    for trait in traits:
        if isinstance(trait, kind):
            found = trait
    return found
