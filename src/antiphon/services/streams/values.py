"""What the steps of a job are given and give: an entry of a stream, a running attempt, an outcome, an answer."""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

import msgspec

from antiphon.core.job import JobState
from antiphon.services.streams.message import JobError, JobMessage


class Enqueued(NamedTuple):
    """What became of a message: `id` is the job that stands for it.

    `deduplicated` when that is another job, under the same unique key. `new` is False for a repeat as well.
    """

    id: str
    deduplicated: bool = False
    new: bool = True


class Entry(NamedTuple):
    """A job that a worker has taken and not started; `priority` counts from 1, `entry_id` is its place there."""

    queue: str
    priority: int
    entry_id: str
    job_id: str


class Running(NamedTuple):
    """An attempt that has begun. Whoever holds the highest token of a job is the one whose word counts.

    `attempt` counts from 1 and only what failed; `crashes` are starts that never came to an end. `message` is None
    while it cannot be read (only inside `start`).
    """

    entry: Entry
    consumer: str
    token: int
    message: JobMessage
    attempt: int
    crashes: int
    waited: float
    """Seconds from the moment at which it was ready to its start."""

    @property
    def queue(self) -> str:
        """The job's queue."""
        return self.entry.queue

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.entry.job_id


type RefusedBecause = Literal["gone", "lost", "paused", "cancelled", "poison", "undecodable", "unknown"]
"""The job is no more; the entry is another worker's now; its queue is paused; somebody cancelled it; it has crashed too
often; its bytes are no message; its message is of another release. Each is dealt with already."""


class Refused(NamedTuple):
    """An entry that was not started. `state` is where the job stands now, None when there is none or it is not ours.

    `message` is there when it could be read: a quarantined job is dead news for somebody.
    """

    entry: Entry
    because: RefusedBecause
    state: JobState | None = None
    message: JobMessage | None = None
    crashes: int = 0


class Renewal(Enum):
    """What became of a lease: held on, lost to another worker, or held but somebody wants the job cancelled."""

    HELD = 1
    LOST = 2
    CANCEL = 3


class Done(NamedTuple):
    """It worked. `result` is JSON of at most 64 KiB; `omitted` when there was one over that."""

    result: bytes | None = None
    omitted: bool = False


class Retry(NamedTuple):
    """Again after `delay` seconds. One that is not `counted` (a snooze, too many calls) leaves the attempt as it is."""

    delay: float
    error: JobError | None = None
    counted: bool = True


class Dead(NamedTuple):
    """It will not be tried again. `reason` is a word for the metric: such as `refused` or `attempts`."""

    reason: str
    error: JobError | None = None


class Cancelled(NamedTuple):
    """Somebody wanted it to stop, and it has."""


class Unknown(NamedTuple):
    """This worker knows no such action: put back, uncounted, and dead when that has gone on for too long."""


class Quarantined(NamedTuple):
    """It is dangerous or unreadable: set aside among the dead, asked for by name to come back."""

    reason: str
    error: JobError | None = None


type Outcome = Done | Retry | Dead | Cancelled | Unknown | Quarantined


class Promoted(NamedTuple):
    """How many jobs came due, and in how many seconds the next one does (None: there is none)."""

    moved: int
    next_in: float | None


class Cancelling(NamedTuple):
    """What a cancel did: the state now. A running job is `running` until its worker hears of it."""

    id: str
    state: JobState


class ProgressNote(msgspec.Struct, frozen=True, rename="camel"):
    """How far a job has come: a share from 0 to 1, and a note."""

    share: float
    note: str
