"""What others add to the running of jobs: jobs that are no plain actions, batches, and who is told how a job goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from antiphon.core.action import AnyAction
from antiphon.core.caller import Caller
from antiphon.core.inputs.schema import Inputs
from antiphon.core.job import JobState, Outcomes

if TYPE_CHECKING:
    from antiphon.services.streams.message import JobMessage


@dataclass(frozen=True, slots=True)
class Play:
    """How one job is run: the action, how its inputs are read, and as whom if not as the caller of its message."""

    action: AnyAction
    read: Callable[[], Inputs]
    caller: Caller | None = None
    replay: bool = False


@runtime_checkable
class JobPlayer(Protocol):
    """A service whose jobs are no actions of the application, such as those of listeners."""

    def queues(self) -> Sequence[str]:
        """The queues that its jobs stand in: a worker that serves all queues serves these."""
        ...

    def play(self, message: JobMessage) -> Play | None:
        """How this job is run, or None when it is none of its. The same `action` object each time for the same job."""
        ...


@runtime_checkable
class BatchReports(Protocol):
    """A service that gathers how the jobs of a batch end."""

    async def report(
        self,
        message: JobMessage,
        state: JobState,
        *,
        result: bytes | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        """Note the end of a job, before it is settled; the first report counts. Raises Unavailable: settle later."""
        ...

    async def outcomes(self, message: JobMessage) -> Outcomes | None:
        """What `ctx.job.batch` is for this job; None when it is about no batch."""
        ...


@runtime_checkable
class JobWatcher(Protocol):
    """A service that is told how jobs go, by the worker that runs them. Neither may wait; errors are only logged."""

    def changed(self, message: JobMessage, state: JobState, reason: str = "") -> None:
        """A job is in this state now; `reason` says why one is dead or quarantined."""
        ...

    def progressed(self, message: JobMessage, share: float, note: str) -> None:
        """A job has come this far; told at most twice a second."""
        ...


@runtime_checkable
class Recurring(Protocol):
    """A service with a loop that belongs to workers alone, such as the scheduler."""

    name: str
    idle: bool
    """True when there is nothing to do, ever: no loop is started."""

    async def run_round(self) -> float:
        """One round; gives the seconds until the next. Raises Unavailable when the store is away."""
        ...
