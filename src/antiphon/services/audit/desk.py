"""Where rows wait that no call waits for: written in the background, and once more when the application stops."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from math import inf

from antiphon.core.action import AnyAction
from antiphon.core.audit import Auditor
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.log import Logger
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background
from antiphon.services.audit.chain import Entry, append
from antiphon.services.audit.counts import AuditCounts
from antiphon.services.audit.watch import CallWatch, note_refusal
from antiphon.services.database.database import Database

_AT_ONCE = 200
"""The rows of one transaction: others wait for the end of the chain meanwhile."""

_MOST_WAITING = 5_000
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 30.0
_CLOSING_SECONDS = 5.0


class AuditDesk(Auditor, Background):
    """Watches calls, and writes what they are counted by. Without the tables it watches nothing."""

    def __init__(self, database: Database, clock: Clock, log: Logger, *, kept: bool) -> None:
        self._database = database
        self._clock = clock
        self._log = log
        self._kept = kept
        self._counts = AuditCounts(clock)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._lost = 0

    def watch(self, action: AnyAction) -> CallWatch | None:
        """What looks at the calls of an action."""
        return CallWatch(action, self._note) if self._kept else None

    def turned_away(self, ctx: Context, error: BaseException) -> None:
        """Count a refusal at the door of a channel."""
        if self._kept:
            note_refusal(ctx, error, self._note)

    async def begin(self, runtime: Runtime) -> None:
        """Write in the background from now on."""
        if self._kept:
            self._task = asyncio.create_task(self._write_on(), name="audit: write")

    async def flush(self) -> None:
        """Write everything now, with the counts of every window. Raises what the database raises."""
        self._counts.close(inf)
        await self._write()

    async def close(self) -> None:
        """Write what is left, if that can be done within a few seconds."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if not self._kept:
            return
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self.flush()
        except Exception as error:  # noqa: BLE001  # the rest has to be closed, and the log says what is missing
            self._log.error("audit.lost", rows=len(self._counts.waiting) + self._lost, error=error)

    def _note(self, entry: Entry) -> None:
        if self._counts.note(entry):
            self._wake.set()

    async def _write_on(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._write()
            except Exception as error:  # noqa: BLE001  # the rows are kept until the database takes them
                self._log.warning("audit.waiting", rows=len(self._counts.waiting), error=error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            pause = _FIRST_PAUSE_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(self._seconds_to_next_end()):
                    await self._wake.wait()
            self._wake.clear()
            self._counts.close(self._clock.monotonic())

    def _seconds_to_next_end(self) -> float | None:
        ends_at = self._counts.next_end()
        # A clock that a test has stopped must not make this a busy loop.
        return None if ends_at is None else max(0.5, ends_at - self._clock.monotonic())

    async def _write(self) -> None:
        waiting = self._counts.waiting
        async with self._turn:
            while waiting:
                if len(waiting) > _MOST_WAITING:
                    # The first of them are what a flood, or an outage, began with.
                    self._lost += len(waiting) - _MOST_WAITING
                    self._log.error("audit.lost", rows=self._lost)
                    del waiting[_MOST_WAITING:]
                rows = waiting[:_AT_ONCE]
                async with self._database.transaction(write=True) as work:
                    await append(work, rows)
                del waiting[: len(rows)]
