"""Tells others how jobs go: the batch that a job is of, and whoever watches jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from antiphon.core.errors import Unavailable
from antiphon.core.job import JobState, Outcomes
from antiphon.core.log import Logger
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.players import BatchReports, JobWatcher
from antiphon.services.streams.supervisor import FIRST_WAIT, MOST_WAIT
from antiphon.services.streams.values import Cancelled, Dead, Done, Outcome, Quarantined, Refused, Retry

LAST_SECONDS = 2.0
"""How long reports that are under way have at the end."""


class Tellings:
    """Who is told. With nobody there it costs nothing."""

    def __init__(self, reports: Sequence[BatchReports], watchers: Sequence[JobWatcher], log: Logger) -> None:
        self._reports = reports
        self._watchers = watchers
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    async def outcomes(self, message: JobMessage) -> Outcomes | None:
        """What `ctx.job.batch` is for this job. Raises Unavailable."""
        for reports in self._reports if message.batch is not None else ():
            found = await reports.outcomes(message)
            if found is not None:
                return found
        return None

    async def report(self, message: JobMessage, outcome: Outcome) -> None:
        """Tell the job's batch how it ends, however long that takes: it must not be settled before."""
        state = end_of(outcome)
        if message.batch is not None and state is not None:
            error: Any = getattr(outcome, "error", None)
            await self._report(
                message,
                state,
                result=outcome.result if isinstance(outcome, Done) else None,
                error=None if error is None else msgspec.to_builtins(error),
            )

    def refused(self, refused: Refused) -> None:
        """A job has come to its end without running."""
        if refused.message is not None and refused.state is not None:
            self.changed(refused.message, refused.state, refused.because)
            if refused.state in ("cancelled", "dead", "quarantined"):
                self._report_late(refused.message, refused.state)

    def settled(self, message: JobMessage, outcome: Outcome, state: JobState) -> None:
        """The store knows how an attempt ended."""
        self.changed(message, state, getattr(outcome, "reason", ""))
        if state == "dead" and end_of(outcome) is None:
            # It was put back once too often: only the store could know.
            self._report_late(message, state)

    def changed(self, message: JobMessage, state: JobState, reason: str = "") -> None:
        """A job is in this state now."""
        for watcher in self._watchers:
            self._safely(lambda watcher=watcher: watcher.changed(message, state, reason))

    def progressed(self, message: JobMessage, share: float, note: str) -> None:
        """A job has come this far."""
        for watcher in self._watchers:
            self._safely(lambda watcher=watcher: watcher.progressed(message, share, note))

    async def close(self) -> None:
        """Wait a moment for what is under way, and end the rest."""
        if self._tasks:
            await asyncio.wait([*self._tasks], timeout=LAST_SECONDS)
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _safely(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Exception as error:  # noqa: BLE001  # who watches a job must not change how it ends
            self._log.error("job.watcher_failed", error=error)

    def _report_late(self, message: JobMessage, state: JobState) -> None:
        if message.batch is not None and self._reports:
            task = asyncio.create_task(self._report(message, state, result=None, error=None))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _report(
        self, message: JobMessage, state: JobState, *, result: bytes | None, error: dict[str, Any] | None
    ) -> None:
        wait = FIRST_WAIT
        for reports in self._reports:
            while True:
                try:
                    await reports.report(message, state, result=result, error=error)
                except Unavailable:
                    await asyncio.sleep(wait)
                    wait = min(MOST_WAIT, wait * 2)
                except Exception as problem:  # noqa: BLE001  # a defect of the batch must not keep the job for ever
                    self._log.error("job.not_reported", job=message.id, error=problem)
                    break
                else:
                    break


def end_of(outcome: Outcome) -> JobState | None:
    """The state in which an outcome leaves a job for good; None when it may come again."""
    if isinstance(outcome, Done):
        return "done"
    if isinstance(outcome, Dead):
        return "dead"
    if isinstance(outcome, Quarantined):
        return "quarantined"
    return "cancelled" if isinstance(outcome, Cancelled) else None


def label_of(outcome: Outcome, state: JobState) -> str:
    """What the metric calls what became of a job: the state it is in, unless it asked to run again by itself."""
    return "snoozed" if isinstance(outcome, Retry) and not outcome.counted and state != "cancelled" else state
