"""How often the outbox is looked at, and what it holds at a time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class OutboxSettings(Settings, frozen=True):
    """The section `outbox`: messages that transactions leave, on their way to the store."""

    section: ClassVar[str] = "outbox"

    look_time: Annotated[timedelta, doc("How often a process looks for messages that nobody told it of.")] = timedelta(
        milliseconds=300
    )
    lease_time: Annotated[timedelta, doc("How long a process that has stopped sending keeps the others from it.")] = (
        timedelta(seconds=10)
    )
    batch: Annotated[int, Meta(ge=1, le=5_000), doc("How many messages are sent at a time.")] = 500
    unconfirmed: Annotated[
        int, Meta(ge=1, le=20_000), doc("How many may be sent before the store has said that they are on its disk.")
    ] = 5_000
    confirm_time: Annotated[timedelta, doc("How long the store may take to write to its disk.")] = timedelta(seconds=5)
    check_time: Annotated[timedelta, doc("How often a process makes sure that the store has not been emptied.")] = (
        timedelta(seconds=5)
    )
    close_time: Annotated[timedelta, doc("How long a process that ends goes on sending what it has.")] = timedelta(
        seconds=3
    )

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Times of nothing, and a lease that is shorter than one sending takes."""
        for name in ("look_time", "confirm_time", "check_time"):
            if getattr(self, name) <= timedelta():
                yield Fault(name, "must be longer than 0s")
        if self.lease_time < timedelta(seconds=3):
            yield Fault("lease_time", "must be at least 3s, or a process loses it while it sends")
