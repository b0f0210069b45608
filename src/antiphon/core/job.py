"""Work for later: what `ctx.later`, `ctx.fan_out`, `ctx.publish` and `ctx.once` promise; a job as its run sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import msgspec

if TYPE_CHECKING:
    from antiphon.core.action import Call
    from antiphon.core.context import Context

type Priority = Literal["high", "normal", "low"]
"""Which of the waiting jobs of a queue begins first. Nothing starves: one look in ten begins at the low end."""

type JobState = Literal[
    "scheduled", "waiting", "ready", "running", "retrying", "done", "dead", "quarantined", "cancelled"
]
"""Where a job stands. The last four are ends."""


class Job(msgspec.Struct, frozen=True, rename="camel"):
    """A call that runs later. `deduplicated` when an earlier one under the same unique key stands for it."""

    id: str
    deduplicated: bool = False


class Batch(msgspec.Struct, frozen=True, rename="camel"):
    """Many calls that run later, and the job that sends them off."""

    id: str
    job_id: str
    total: int


class Outcomes(msgspec.Struct, frozen=True, rename="camel"):
    """How the calls of a batch ended: what `then` finds in `ctx.job.batch`. By the place of each call in the list.

    Results are as on the wire, and None for one that was over 64 KiB; errors are objects of the wire.
    """

    id: str
    total: int
    done: int
    dead: int
    results: dict[int, Any]
    errors: dict[int, dict[str, Any]]


type Report = Callable[[float, str], Awaitable[None]]
"""Keeps how far a job has come: a share from 0 to 1, and a note."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    """A fact for `ctx.tell`: the answer is not the last word, and there is more to know after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt of a job, from inside: `ctx.job`. Times are UTC; `attempt` counts from 1."""

    id: str
    attempt: int
    attempts: int
    enqueued_at: datetime
    scheduled_at: datetime | None
    report: Report
    batch: Outcomes | None = None
    replay: bool = False


class Terms(msgspec.Struct, frozen=True):
    """What one `ctx.later` says beside its call. Empty means: what the action's traits say."""

    after: float | None = None
    at: datetime | None = None
    unique: str = ""
    key: str = ""
    priority: Priority | None = None


AS_DECLARED = Terms()


@runtime_checkable
class Tasks(Protocol):
    """Runs calls later."""

    async def later(self, ctx: Context, call: Call[Any], terms: Terms = AS_DECLARED) -> Job:
        """Queue a call as this caller's: with the call's transaction when one is open, at once otherwise.

        Raises Unavailable when it cannot be kept now, TooLarge over 256 KiB, InvalidInput or SetupError for a call that
        cannot be queued.
        """
        ...

    async def fan_out(
        self, ctx: Context, calls: Sequence[Call[Any]], *, then: Call[Any] | None = None, fail_fast: bool = False
    ) -> Batch:
        """Queue many calls as one job, and `then` once each of them has ended."""
        ...


@runtime_checkable
class Events(Protocol):
    """Announces facts."""

    async def publish(self, ctx: Context, event: msgspec.Struct) -> str:
        """Announce a fact: with the call's transaction when one is open, at once otherwise. Gives the event's id."""
        ...


@runtime_checkable
class Once(Protocol):
    """Makes effects happen once."""

    def once(self, ctx: Context, key: str) -> AbstractAsyncContextManager[None]:
        """A transaction whose effects and whose key are kept together or not at all. Raises AlreadyDone inside."""
        ...


class AlreadyDone(Exception):  # no error: the runner answers with what it carries
    """The effects under this key stand already; the call ends here and answers with the result kept with them."""

    def __init__(self, result: bytes | None) -> None:
        self.result = result
        super().__init__("done already")


class Snoozed(Exception):  # no error: the job asks to be run again
    """The job wants to run again after this long; it counts as no attempt."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"again in {seconds:g} s")


@dataclass(frozen=True, slots=True)
class After:
    """Run again after exactly this long."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Never:
    """Do not run again."""


type Again = After | Never


@dataclass(frozen=True, slots=True)
class RetryPlan:
    """How often a call is tried, and how long it waits in between (seconds, before the jitter)."""

    attempts: int = 5
    first: float = 1.0
    most: float = 900.0
    on: Mapping[type[BaseException], Again] = field(default_factory=dict[type[BaseException], Again])

    def longest_wait(self, attempt: int) -> float:
        """The upper end of the wait after this many failed attempts."""
        # Beyond this the power alone would be over any bound.
        return min(self.most, self.first * 2.0 ** min(attempt - 1, 60))

    def again(self, error: BaseException) -> Again | None:
        """What `on` says about this error; the nearest class counts."""
        return next((self.on[kind] for kind in type(error).__mro__ if kind in self.on), None)
