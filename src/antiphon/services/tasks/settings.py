"""The bounds of batches and the pace of schedules."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class TaskSettings(Settings, frozen=True):
    """How many calls a fan-out takes, how long it is kept, and how schedules are looked at."""

    section: ClassVar[str] = "tasks"

    max_batch: Annotated[int, Meta(ge=1), doc("The most calls of one fan-out.")] = 10_000
    max_batch_bytes: Annotated[int, Meta(ge=1), doc("The most bytes that the calls of one fan-out have together.")] = (
        33_554_432
    )
    batch_keep_time: Annotated[
        timedelta, doc("How long a fan-out and its outcomes are kept; each outcome begins it anew.")
    ] = timedelta(hours=24)
    batch_look_time: Annotated[
        timedelta, doc("How often a fan-out is looked at for children that ended while their worker died.")
    ] = timedelta(minutes=1)
    round_time: Annotated[timedelta, doc("How often the schedules are looked at when none is due before.")] = timedelta(
        seconds=1
    )
    late_time: Annotated[timedelta, doc("From when on a tick that nobody saw is a missed one.")] = timedelta(seconds=60)
    max_missed: Annotated[int, Meta(ge=1), doc('The most missed ticks that missed="all" runs.')] = 1_000

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Times that are none are refused."""
        for name in ("batch_keep_time", "batch_look_time", "round_time", "late_time"):
            if getattr(self, name) < timedelta(milliseconds=10):
                yield Fault(name, "must be at least 10ms")
