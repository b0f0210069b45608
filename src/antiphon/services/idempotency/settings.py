"""How long answers are kept under the keys of clients, how much of them, and for how many keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class IdempotencySettings(Settings, frozen=True):
    """What is kept of calls that come with an idempotency key."""

    section: ClassVar[str] = "idempotency"

    keep_time: Annotated[timedelta, doc("How long the first answer is kept under its key.")] = timedelta(hours=24)
    grace_time: Annotated[
        timedelta,
        doc(
            "How much longer than its own time a call holds its key. When a process dies in the middle of a call, "
            "repeats are refused for that long, and then run."
        ),
    ] = timedelta(seconds=15)
    answer_bytes: Annotated[
        int,
        Meta(ge=0, le=1024 * 1024),
        doc("The largest answer that is kept. Of a larger one only that it was given: a repeat is a CONFLICT."),
    ] = 64 * 1024
    caller_keys: Annotated[
        int, Meta(ge=1, le=100_000_000), doc("The keys that one caller may use within `keep_time`.")
    ] = 100_000
    caller_bytes: Annotated[
        int,
        Meta(ge=0, le=2**40),
        doc("The bytes of answers that are kept for one caller within `keep_time`; later ones count as too large."),
    ] = 32 * 1024 * 1024

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Times have to be times."""
        if self.keep_time <= timedelta(0):
            yield Fault("keep_time", "must be longer than 0s, or no answer is ever given again")
        if self.grace_time < timedelta(0):
            yield Fault("grace_time", "must not be below 0s")
