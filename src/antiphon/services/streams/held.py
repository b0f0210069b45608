"""The jobs that a worker holds: one attempt each, what it is for the store, and what has befallen it."""

# A job is held from its start until the store knows its end. What may befall it meanwhile, its fate, decides what the
# store is told and when the slot is free:
#
#   fate        because                            the action is    the store is told                the slot is free
#   RUNS        nothing yet                        –                its outcome, when it ends        when it ends
#   LOST        its token no longer counts         cancelled        nothing: a later run stands      when it ends
#   CANCELLED   somebody wants it to stop          cancelled        Cancelled, when it ends          when it ends
#   RELEASED    the worker goes away               cancelled        its outcome when it has one,     when it ends
#                                                                   else: give it back, uncounted
#   OVERDUE     it ignores the end of its time     was cancelled    TimedOut, at once                if it ever ends

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Protocol

from antiphon.services.streams.values import Outcome, Running


class Fate(Enum):
    """What has befallen a job while it ran."""

    RUNS = auto()
    LOST = auto()
    CANCELLED = auto()
    RELEASED = auto()
    OVERDUE = auto()


class Attempt(Protocol):
    """One attempt as the worker transport runs it."""

    @property
    def overdue(self) -> bool:
        """Whether its time was over a while ago, and it was cancelled, and it still runs."""
        ...

    async def run(self) -> Outcome:
        """Run it. Raises nothing but what ends the task."""
        ...

    def timed_out(self) -> Outcome:
        """What becomes of it for having run out of time."""
        ...

    def broken(self) -> Outcome:
        """What becomes of it for having failed in a way that nobody foresaw."""
        ...


class Report(Protocol):
    """Takes how far a job has come, from inside it."""

    async def __call__(self, share: float, note: str, /) -> None: ...


class Work(Protocol):
    """Runs jobs: what the worker transport is to the loop that fetches and settles them."""

    def attempt(self, running: Running, report: Report) -> Attempt:
        """Prepare one attempt."""
        ...


class Held:
    """One job in this worker's hands."""

    __slots__ = ("attempt", "fate", "note", "noted_at", "outcome", "running", "started_at", "task")

    def __init__(self, running: Running, started_at: float) -> None:
        self.running = running
        self.started_at = started_at
        self.fate = Fate.RUNS
        self.attempt: Attempt | None = None
        self.outcome: Outcome | None = None
        self.task: asyncio.Task[None] | None = None
        self.note: tuple[float, str] | None = None
        self.noted_at = -1.0

    def stop(self, fate: Fate) -> None:
        """End it at its next wait, for this reason; the first reason stands, and an outcome above all."""
        if self.fate is Fate.RUNS and self.outcome is None:
            self.fate = fate
            if self.task is not None:
                self.task.cancel()
