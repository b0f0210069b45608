"""The times and bounds of queues, and what the operator says about single ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc
from antiphon.services.streams.keys import LISTENER_PREFIX, valid_queue


class QueueSettings(msgspec.Struct, frozen=True):
    """What one queue may do; what is not said is as for all.

    `slots` is how many of its jobs run at a time across all workers, None for any number.
    """

    slots: Annotated[int, Meta(ge=1)] | None = None
    max_unfinished: Annotated[int, Meta(ge=1)] | None = None
    paused: bool = False


AS_ALL = QueueSettings()


class StreamSettings(Settings, frozen=True):
    """How queues keep jobs, and how workers hold on to them."""

    section: ClassVar[str] = "streams"

    lease_time: Annotated[timedelta, doc("How long a job is its worker's without a sign of life.")] = timedelta(
        seconds=20
    )
    renew_time: Annotated[timedelta, doc("How often a worker renews the leases of its jobs.")] = timedelta(seconds=5)
    claim_time: Annotated[timedelta, doc("How often a worker looks for jobs whose lease has run out.")] = timedelta(
        seconds=5
    )
    block_time: Annotated[timedelta, doc("How long a reader waits in the store when there is nothing to do.")] = (
        timedelta(seconds=2)
    )
    measure_time: Annotated[timedelta, doc("How often a process asks what time it is in the store.")] = timedelta(
        seconds=10
    )
    max_unfinished: Annotated[int, Meta(ge=1), doc("The most unfinished jobs of one queue.")] = 1_000_000
    keep_time: Annotated[timedelta, doc("How long a finished job can be looked at.")] = timedelta(hours=24)
    listener_keep_time: Annotated[timedelta, doc("How long a listener's finished job can be looked at.")] = timedelta(
        hours=1
    )
    dead_time: Annotated[timedelta, doc("How long a dead job is kept.")] = timedelta(days=30)
    max_dead: Annotated[int, Meta(ge=1), doc("The most dead jobs of one queue; the oldest go first.")] = 100_000
    max_crashes: Annotated[int, Meta(ge=1), doc("How often a job may crash its worker before it is set aside.")] = 3
    unknown_time: Annotated[timedelta, doc("How long a job that no worker knows is put back before it is dead.")] = (
        timedelta(hours=1)
    )
    unknown_wait: Annotated[timedelta, doc("How long a job that this worker does not know waits for another.")] = (
        timedelta(seconds=30)
    )
    replicas: Annotated[int, Meta(ge=0), doc("How many replicas must have what the outbox sends.")] = 0
    queues: Annotated[dict[str, QueueSettings], doc("What single queues may do: slots, max_unfinished, paused.")] = (
        msgspec.field(default_factory=dict[str, QueueSettings])
    )

    def of(self, queue: str) -> QueueSettings:
        """What is said about this queue."""
        return self.queues.get(queue, AS_ALL)

    def most(self, queue: str) -> int:
        """The most unfinished jobs of this queue."""
        return self.of(queue).max_unfinished or self.max_unfinished

    def keep(self, queue: str, said: float | None = None) -> float:
        """How many seconds the end of a job of this queue is kept."""
        if said is not None:
            return said
        kept = self.listener_keep_time if queue.startswith(LISTENER_PREFIX) else self.keep_time
        return kept.total_seconds()

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Times that contradict each other, and names that no queue can have, are refused."""
        if self.lease_time < 2 * self.renew_time:
            yield Fault("lease_time", "must be at least twice streams.renew_time, or living workers lose their jobs")
        for name in ("renew_time", "claim_time", "block_time", "measure_time", "keep_time", "listener_keep_time"):
            if getattr(self, name) <= timedelta(0):
                yield Fault(name, "must be longer than 0s")
        if not all(map(valid_queue, self.queues)):
            yield Fault("queues", "names a queue that cannot be: use small letters, digits and -")
