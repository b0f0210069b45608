"""A job as it stands in the store, for people: its record, its place in lists, and how deep queues are."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from antiphon.core.job import JobState
from antiphon.services.streams.message import JobError, JobMessage
from antiphon.services.streams.values import ProgressNote

FINISHED: frozenset[JobState] = frozenset({"done", "dead", "quarantined", "cancelled"})
"""The states that a job does not leave by itself."""


class FailedAttempt(NamedTuple):
    """One error of a job: of which attempt, and when."""

    attempt: int
    at: datetime
    error: JobError


class JobRecord(NamedTuple):
    """Everything that is known of a job. Times are UTC and the store's.

    `message` is None when its bytes cannot be read; `raw` has them. `errors` are those of the last ten attempts.
    `cancelling` when it runs and somebody wants it to stop. `id` is the job that stands for the one asked for.
    """

    id: str
    queue: str
    state: JobState
    attempt: int
    crashes: int
    cancelling: bool
    reason: str
    progress: ProgressNote | None
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: msgspec.Raw | None
    result_omitted: bool
    errors: tuple[FailedAttempt, ...]
    message: JobMessage | None
    raw: bytes

    @property
    def finished(self) -> bool:
        """Whether it has come to an end."""
        return self.state in FINISHED

    @property
    def on_its_way(self) -> bool:
        """Whether its transaction has committed and it is not in its queue yet: it has no bytes there."""
        return self.message is not None and not self.raw

    @property
    def error(self) -> JobError | None:
        """The newest error."""
        return self.errors[-1].error if self.errors else None


class JobFilter(msgspec.Struct, frozen=True):
    """Which jobs of a queue to list. Empty means any; `older_than` is seconds since it was enqueued."""

    state: JobState | None = None
    action: str = ""
    reason: str = ""
    older_than: float = 0.0


class JobPage(NamedTuple):
    """Some jobs and where the next page begins ("" after the last). A page may have fewer than asked for, even none."""

    jobs: tuple[JobRecord, ...]
    cursor: str


class QueueDepths(NamedTuple):
    """How much is in a queue. `oldest_seconds` is how long the oldest ready job has waited for a worker.

    `due` are scheduled and retrying jobs, `waiting` those behind a lane; `ready` is by priority, high first.
    """

    queue: str
    unfinished: int
    due: int
    waiting: int
    ready: tuple[int, int, int]
    running: int
    dead: int
    paused: bool
    oldest_seconds: float
