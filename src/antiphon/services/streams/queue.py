"""Queues: everything that one step of a job does, each step one script; and how jobs get into them."""

from __future__ import annotations

from collections.abc import Sequence

from antiphon.core.errors import InvalidInput, Unavailable
from antiphon.services.streams.dead import Dead
from antiphon.services.streams.due import Due
from antiphon.services.streams.engine import by_queue, millis
from antiphon.services.streams.keys import number_of, queue_of
from antiphon.services.streams.message import JobMessage, Lane, encode_job
from antiphon.services.streams.taking import Taking
from antiphon.services.streams.time import millis_of
from antiphon.services.streams.values import Enqueued
from antiphon.stores.scripts.jobs import putting as steps

_FULL_SECONDS = 5.0


class Queues(Taking, Due, Dead):
    """The queues of one store. Every method raises Unavailable when the store is away; the step may have run or not.

    `time` is what time it is in the store, `keys` what its keys are called. Steps that take several jobs are one trip.
    """

    async def enqueue(self, messages: Sequence[JobMessage]) -> list[Enqueued]:
        """Put jobs into their queues, in their order; a repeat by id does nothing and gives the same answer.

        Jobs due later wait for their time; those with lanes for their place. Raises TooLarge or InvalidInput before
        anything is sent, and Unavailable when a queue is full: the jobs before are in it then, and to try again does
        not double them.
        """
        groups = by_queue((queue_of(message.id), message) for message in messages)
        new = [[self.new_job(queue, message) for message in group] for queue, group in groups.items()]
        answers = await steps.enqueue(
            self.store,
            [
                (self.keys.of_queue(queue), self.settings.most(queue), jobs)
                for queue, jobs in zip(groups, new, strict=True)
            ],
            alias_life=millis(self.settings.keep_time),
        )
        await self.note(groups)
        told: dict[str, Enqueued] = {}
        for jobs, answer in zip(new, answers, strict=True):
            for job, put in zip(jobs, answer, strict=True):
                if put == "full":
                    queue = queue_of(job.id)
                    raise Unavailable(f"The queue {queue} is full.", retry_after=_FULL_SECONDS)
                if put not in ("", "new"):
                    told[job.id] = Enqueued(put, deduplicated=True, new=False)
                elif put == "new" or job.id not in told:
                    told[job.id] = Enqueued(job.id, new=put == "new")
        return [told[message.id] for message in messages]

    def new_job(self, queue: str, message: JobMessage) -> steps.NewJob:
        """A message as the scripts take it. Raises TooLarge or InvalidInput."""
        return steps.NewJob(
            message.id,
            encode_job(message),
            number_of(message.priority),
            0 if message.due_at is None else millis_of(message.due_at),
            _lanes(message.lanes) if message.lanes else "",
            0 if message.window is None else millis(message.window),
            self.keys.job(message.id),
            self.keys.unique(queue, message.unique) if message.unique else "",
        )


def _lanes(lanes: Sequence[Lane]) -> str:
    """As scripts read them. The same lane twice is once, at the smaller limit."""
    merged: dict[str, Lane] = {}
    for lane in lanes:
        if lane.limit < 1 or not lane.key or not set(lane.key) <= set("0123456789abcdef"):
            raise InvalidInput.of("lanes", "must have a digest for a key and a limit of at least 1")
        other = merged.get(lane.key, lane)
        merged[lane.key] = Lane(lane.key, min(lane.limit, other.limit), blocks=lane.blocks or other.blocks)
    return ",".join(f"{lane.key}:{lane.limit}{'!' if lane.blocks else ''}" for lane in merged.values())
