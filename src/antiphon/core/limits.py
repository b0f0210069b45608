"""How often an action may be called: the trait `limit`, what decides it, and what callers are told of it."""

# An action is under two kinds of limits: those that every action has (an anonymous address, a user, a tenant), and
# those that its own traits add. All of them are decided in one step, after the rule has let the caller in and before an
# input is read, and none is charged unless all of them have room.
#
#     a call from outside, on whatever transport    charged once
#     a call that a call makes (`ctx.call`)         asks its rule again, and is charged nothing: the outer call has paid
#     a call of the system                          is under `everyone` limits only
#     a call that its rule refuses                  is charged nothing; refusals themselves are counted, by address

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, get_args, overload, runtime_checkable

from antiphon.core.durations import format_duration, parse_duration
from antiphon.core.errors import TooManyCalls, Unavailable
from antiphon.core.traits import Trait

if TYPE_CHECKING:
    from antiphon.core.action import AnyAction
    from antiphon.core.context import Context

type By = Literal["caller", "address", "user", "tenant", "everyone"]
type WithoutStore = Literal["local", "refuse"]
type Cost = int | Callable[[Context], int]
"""What a call is charged: a number, or a function of the call's context, asked before any input is read."""

LEAST_SECONDS, MOST_SECONDS = 0.01, 400 * 86_400.0
MOST_COUNT = 1_000_000_000


class LimitState(NamedTuple):
    """A fact for the transport: how much of one limit is left.

    `quota` calls in `window_seconds`, of which `remaining` are left; in `reset_seconds` there are more.
    """

    policy: str
    quota: int
    window_seconds: float
    remaining: int
    reset_seconds: float


class OverLimit(TooManyCalls):
    """The caller is over a limit; `policies` are the names of those without room."""

    def __init__(self, policies: Iterable[str], *, retry_after: timedelta | float) -> None:
        super().__init__(retry_after=retry_after)
        self.policies = tuple(policies)


class LockedOut(TooManyCalls):
    """Too many guesses were wrong, and the next one has to wait."""


class LimiterAway(Unavailable):
    """A limit that may not be counted in this process alone could not be asked."""


@runtime_checkable
class Limiter(Protocol):
    """Decides limits: the service that fulfils this opens when an action carries one, or a module needs it."""

    def gate(self, action: AnyAction) -> Gate | None:
        """What stands before an action, compiled once; None when nothing does. Raises SetupError."""
        ...

    async def charge(self, ctx: Context, *limits: Limit | DefaultLimit, name: str, cost: int = 1) -> None:
        """Charge what is known only within a call, such as the cost of a query, under limits counted as `name`.

        Raises TooManyCalls, TooLarge for a cost above a count, or Unavailable; nothing is charged then.
        """
        ...


class Begun(Protocol):
    """A charge that was sent before it is known who calls."""

    def withdraw(self) -> None:
        """Take it back, some time soon."""
        ...


class Gate(Protocol):
    """The limits of one action."""

    def begin(self, ctx: Context) -> Begun | None:
        """Charge whoever this will probably turn out to be, while the rule is being asked; None where nobody knows."""
        ...

    async def admit(self, ctx: Context, begun: Begun | None = None) -> None:
        """Charge a call, or let what was begun be its charge if it is that of this caller; if not it is withdrawn.

        Raises TooManyCalls, TooLarge for a cost above a count, or Unavailable.
        """
        ...

    def refused(self, ctx: Context) -> None:
        """Count a call that its rule refuses. Raises TooManyCalls when the address had too many."""
        ...


@dataclass(frozen=True, slots=True)
class Limit(Trait):
    """So many calls in so much time, for whoever `by` says."""

    count: int
    seconds: float
    by: By = "caller"
    burst: int | None = None
    cost: Cost = 1
    without_store: WithoutStore = "local"
    shadow: bool = False

    @property
    def summary(self) -> str:
        burst = f", {self.burst} at once" if self.burst is not None else ""
        shadow = ", only watched" if self.shadow else ""
        return f"{self.count} per {format_duration(timedelta(seconds=self.seconds))} by {self.by}{burst}{shadow}"

    @property
    def needs(self) -> Iterable[type]:
        return (Limiter,)


@dataclass(frozen=True, slots=True)
class DefaultLimit(Trait):
    """A limit whose numbers are settings, by its name there: `limit("sign-in")`."""

    name: str

    @property
    def summary(self) -> str:
        return f"the limit {self.name}"

    @property
    def needs(self) -> Iterable[type]:
        return (Limiter,)


@dataclass(frozen=True, slots=True)
class NoDefaults(Trait):
    """The action is under none of the limits that every action has."""

    @property
    def summary(self) -> str:
        return "no default limits"


def is_limited(action: AnyAction) -> bool:
    """Whether an action is under any limit, where there is something that decides limits."""
    own = any(isinstance(trait, Limit | DefaultLimit) for trait in action.traits)
    return own or not action.traits_of(NoDefaults)


def is_bounded(action: AnyAction) -> bool:
    """Whether an action has a limit of its own that refuses calls; one that only watches does not."""
    own = (trait for trait in action.traits if isinstance(trait, Limit | DefaultLimit))
    return any(isinstance(trait, DefaultLimit) or not trait.shadow for trait in own)


@overload
def limit(count: None, /) -> NoDefaults: ...
@overload
def limit(count: str, /) -> DefaultLimit: ...
@overload
def limit(
    count: int,
    /,
    per: str | timedelta,
    *,
    by: By = "caller",
    burst: int | None = None,
    cost: Cost = 1,
    without_store: WithoutStore = "local",
    shadow: bool = False,
) -> Limit: ...
def limit(
    count: int | str | None,
    /,
    per: str | timedelta = "",
    *,
    by: By = "caller",
    burst: int | None = None,
    cost: Cost = 1,
    without_store: WithoutStore = "local",
    shadow: bool = False,
) -> Limit | DefaultLimit | NoDefaults:
    """Let so many calls pass in so much time: `limit(30, per="1m")`, beside the limits that every action has.

    `by` says whose calls are counted together: `caller` (the user, else the address), `address`, `user`, `tenant`, or
    `everyone`. Without `burst` no window of that time ever holds more than `count`; with it, calls are spread evenly
    and `burst` of them may come at once. A call is charged `cost`. While the store does not answer, each process counts
    by itself, unless `without_store="refuse"`. With `shadow=True` it only counts, logs and measures.

    `limit("sign-in")` takes the numbers of that name from the settings. `limit(None)` switches off the limits that
    every action has. Raises ValueError for numbers that make no sense.
    """
    if count is None:
        return NoDefaults()
    if isinstance(count, str):
        if not count:
            raise ValueError('limit("") names no limit. Write limit("sign-in") or limit(30, per="1m").')
        return DefaultLimit(count)
    if not per:
        raise ValueError(f'limit({count}) does not say in which time. Write limit({count}, per="1m").')
    made = Limit(count, _seconds(per), by, burst, cost, without_store, shadow)
    _check(made)
    return made


def _seconds(time: str | timedelta) -> float:
    try:
        return (parse_duration(time) if isinstance(time, str) else time).total_seconds()
    except ValueError as error:
        raise ValueError(f"limit(per=...): {error}") from None


def _check(made: Limit) -> None:
    words = f"limit({made.count}, …)"
    if not 1 <= made.count <= MOST_COUNT:
        raise ValueError(
            f"{words} needs a count from 1 to {MOST_COUNT}. To close an action, write a rule that says no; "
            f"to open it to any number, limit(None)."
        )
    if not LEAST_SECONDS <= made.seconds <= MOST_SECONDS:
        raise ValueError(f'{words}: per is from "10ms" to "400d".')
    if made.count > made.seconds * 1_000_000:
        raise ValueError(f"{words}: more than a million calls a second is no limit. Write limit(None).")
    if made.by not in get_args(By.__value__):
        raise ValueError(f"{words}: by is {made.by!r}. Write one of {', '.join(get_args(By.__value__))}.")
    if made.without_store not in get_args(WithoutStore.__value__):
        raise ValueError(f'{words}: without_store is {made.without_store!r}. Write "local" or "refuse".')
    if made.burst is not None and not 1 <= made.burst <= MOST_COUNT:
        raise ValueError(f"{words}: burst is how many may come at once, from 1. Leave it out for a sliding window.")
    if not callable(made.cost):
        most = made.count if made.burst is None else made.burst
        if not 1 <= made.cost <= most:
            raise ValueError(f"{words}: a call that costs {made.cost} could never pass. Write a cost from 1 to {most}.")
