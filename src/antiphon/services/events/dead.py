"""Tells, as an event, that a job has come to a bad end."""

from __future__ import annotations

from collections import deque

from antiphon.core.clock import Clock, Ids
from antiphon.core.errors import Unavailable
from antiphon.core.event import EventType, event, event_type
from antiphon.core.inputs.kinds import Struct
from antiphon.core.job import JobState
from antiphon.core.log import Logger
from antiphon.services.events.envelope import Origin
from antiphon.services.events.publishing import Publishing
from antiphon.services.streams.keys import queue_of
from antiphon.services.streams.message import JobMessage

IDLE_SECONDS = 2.0
_MOST_WAITING = 10_000


@event("dead-letter:added")
class DeadLetterAdded(Struct):
    """A job is dead (it failed for good) or quarantined (it is dangerous), and waits for somebody to look at it.

    `reason` is a word, the same as in the list of dead jobs.
    """

    job_id: str
    queue: str
    action: str
    state: str
    reason: str = ""


def dead_letter_type() -> EventType:
    """`DeadLetterAdded` as the table of events holds it."""
    kind = event_type(DeadLetterAdded)
    assert kind is not None  # noqa: S101  # it is declared above
    return kind


class DeadLetters:
    """What is to be told. It waits while the store is away; of more than ten thousand, the oldest are only logged."""

    def __init__(self, publishing: Publishing, clock: Clock, ids: Ids, log: Logger) -> None:
        self._publishing = publishing
        self._clock = clock
        self._ids = ids
        self._log = log
        self._kind = dead_letter_type()
        self._waiting = deque[tuple[Origin, DeadLetterAdded]]()

    def add(self, message: JobMessage, state: JobState, reason: str) -> None:
        """Tell of this job, soon."""
        if len(self._waiting) >= _MOST_WAITING:
            self._log.error("events.dead_letter_untold", job=self._waiting.popleft()[1].job_id)
        origin = Origin(
            self._ids.uuid7(),
            self._clock.now(),
            message.caller.tenant_id,
            message.caller.id,
            message.request_id,
            message.traceparent,
            message.tracestate,
        )
        letter = DeadLetterAdded(message.id, queue_of(message.id), message.action, state, reason)
        self._waiting.append((origin, letter))

    async def run_round(self) -> float:
        """Tell everything that waits. Raises Unavailable; what was not told waits on."""
        while self._waiting:
            origin, letter = self._waiting[0]
            await self._publishing.announce(self._kind, letter, origin)
            # Only then: whoever is cancelled in between tells it again, under the same id.
            self._waiting.popleft()
        return IDLE_SECONDS

    async def finish(self) -> None:
        """Tell what still waits, if that can be done now."""
        try:
            await self.run_round()
        except Unavailable:
            self._log.error("events.dead_letters_untold", count=len(self._waiting))
