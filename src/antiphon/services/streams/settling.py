"""A running job: holding on to it, saying how far it is, writing how it ended; its token decides what counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from antiphon.core.job import JobState
from antiphon.services.streams.engine import Engine, by_queue, millis
from antiphon.services.streams.message import MOST_RESULT_BYTES, JobError, JobMessage, encode_error
from antiphon.services.streams.values import (
    Cancelled,
    Dead,
    Done,
    Entry,
    Outcome,
    Quarantined,
    Renewal,
    Retry,
    Running,
    Unknown,
)
from antiphon.stores.scripts.jobs import settling as steps

_RENEWALS = {steps.HELD: Renewal.HELD, steps.LOST: Renewal.LOST, steps.CANCEL: Renewal.CANCEL}
_MOST_NOTE = 500


class Held(NamedTuple):
    """A started job of which only this much is known: its message may be unreadable."""

    entry: Entry
    token: int
    message: JobMessage | None


class Settling(Engine):
    """Steps of running jobs."""

    async def renew(self, running: Sequence[Running]) -> list[Renewal]:
        """Hold on to jobs: their idle time is zero again, where the token still counts. Renew before you claim."""
        renewals: dict[int, Renewal] = {}
        groups = by_queue((one.queue, (place, one)) for place, one in enumerate(running))
        for worker in {one.consumer for one in running}:
            mine = {queue: [item for item in group if item[1].consumer == worker] for queue, group in groups.items()}
            answers = await steps.renew(
                self.store,
                worker,
                [
                    (self.keys.of_queue(queue), [self._lease(one.entry, one.token) for _, one in group])
                    for queue, group in mine.items()
                ],
            )
            for group, answer in zip(mine.values(), answers, strict=True):
                renewals.update((place, _RENEWALS[said]) for (place, _), said in zip(group, answer, strict=True))
        return [renewals[place] for place in range(len(running))]

    async def progress(self, running: Running, share: float, note: str) -> bool:
        """Keep how far a job has come; False when its token no longer counts. Notes are cut at 500 characters."""
        return await steps.progress(self.store, self._lease(running.entry, running.token), share, note[:_MOST_NOTE])

    async def settle(self, running: Running, outcome: Outcome) -> JobState | None:
        """Write how an attempt ended; gives where the job stands now, or None when the token no longer counts.

        The answer to a repeat is the same. A job that somebody wanted cancelled is `cancelled` whatever the outcome.
        """
        return (await self.settle_all([(running, outcome)]))[0]

    async def settle_all(self, settlements: Sequence[tuple[Running, Outcome]]) -> list[JobState | None]:
        """`settle` for several, in one trip."""
        return await self._settle(
            [self._settlement(Held(one.entry, one.token, one.message), outcome) for one, outcome in settlements]
        )

    async def release(self, running: Sequence[Running]) -> list[bool]:
        """Give jobs back as ready, as if they had never been started; False where the token no longer counts."""
        states = await self._settle(
            [self._with_ending(Held(one.entry, one.token, one.message), "release") for one in running]
        )
        return [state is not None for state in states]

    async def _settle_held(self, settlements: Sequence[tuple[Held, Outcome]]) -> list[JobState | None]:
        return await self._settle([self._settlement(held, outcome) for held, outcome in settlements])

    async def _settle(self, settlements: Sequence[tuple[str, steps.Settlement]]) -> list[JobState | None]:
        groups = by_queue((queue, (place, one)) for place, (queue, one) in enumerate(settlements))
        answers = await steps.settle(
            self.store,
            [(self.keys.of_queue(queue), [one for _, one in group]) for queue, group in groups.items()],
            dead_life=self._dead_life,
        )
        states: dict[int, JobState | None] = {}
        for group, answer in zip(groups.values(), answers, strict=True):
            for (place, _), state in zip(group, answer, strict=True):
                states[place] = cast("JobState", state) if state else None
        return [states[place] for place in range(len(settlements))]

    @property
    def _dead_life(self) -> int:
        # A day more than it is listed: a purge that comes late still finds the lanes that the job keeps shut.
        return millis(self.settings.dead_time) + 86_400_000

    def _settlement(self, held: Held, outcome: Outcome) -> tuple[str, steps.Settlement]:
        match outcome:
            case Done(result, omitted):
                if result is not None and len(result) <= MOST_RESULT_BYTES:
                    return self._with_ending(held, "done", word="result", text=result)
                return self._with_ending(held, "done", word="omitted" if omitted or result is not None else "")
            case Retry(delay, error, counted):
                wait = millis(delay) if delay > 0 else 0
                return self._with_ending(held, "retry" if counted else "snooze", wait=wait, text=_text(error))
            case Dead(reason, error):
                return self._with_ending(held, "dead", word=reason, text=_text(error))
            case Quarantined(reason, error):
                return self._with_ending(held, "quarantined", word=reason, text=_text(error))
            case Unknown():
                most, wait = millis(self.settings.unknown_time), millis(self.settings.unknown_wait)
                return self._with_ending(held, "unknown", wait=wait, word=most)
            case Cancelled():
                return self._with_ending(held, "cancelled")

    def _with_ending(
        self, held: Held, ending: steps.Ending, *, wait: int = 0, word: str | int = "", text: bytes = b""
    ) -> tuple[str, steps.Settlement]:
        queue, message = held.entry.queue, held.message
        life = millis(self.settings.keep(queue, message.keep if message is not None else None))
        unique = self.keys.unique(queue, message.unique) if message is not None and message.unique else ""
        lease = self._lease(held.entry, held.token)
        return queue, steps.Settlement(lease, ending, life, wait, word, text, unique)

    def _lease(self, entry: Entry, token: int) -> steps.Lease:
        return steps.Lease(self.keys.job(entry.job_id), entry.job_id, entry.priority, entry.entry_id, token)


def _text(error: JobError | None) -> bytes:
    return b"" if error is None else encode_error(error)
