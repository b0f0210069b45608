"""The bounds of event logs, and how listeners are fed from them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.settings import Settings, doc


class EventSettings(Settings, frozen=True):
    """How much of events is kept, and how fast they are handed on."""

    section: ClassVar[str] = "events"

    max_events: Annotated[int, Meta(ge=100), doc("The most events of one log; the oldest go first.")] = 100_000
    keep_time: Annotated[timedelta, doc("How long events are kept that no declaration says anything about.")] = (
        timedelta(days=7)
    )
    seen_time: Annotated[timedelta, doc("How long an event is known by its id, so that a repeat is none.")] = timedelta(
        hours=1
    )
    lease_time: Annotated[timedelta, doc("How long a worker feeds a listener without a sign of life.")] = timedelta(
        seconds=15
    )
    ahead: Annotated[
        int, Meta(ge=1), doc("The most unfinished events of one listener; the others wait in the log.")
    ] = 1_000
    batch: Annotated[int, Meta(ge=1, le=1_000), doc("How many events are read from a log at once.")] = 100
    block_time: Annotated[timedelta, doc("How long a feeder waits in the store when there is nothing to do.")] = (
        timedelta(seconds=2)
    )
    address: Annotated[
        str, doc("The address of the HTTP server, such as `https://example.com`, where others find schemas of events.")
    ] = ""
    trim_time: Annotated[timedelta, doc("How often what is too old is taken out of the logs.")] = timedelta(minutes=1)

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """Times that contradict each other are refused."""
        if self.lease_time < 3 * self.block_time:
            yield Fault(
                "lease_time", "must be at least three times events.block_time, or feeders take turns for nothing"
            )
        for name in ("keep_time", "seen_time", "lease_time", "block_time", "trim_time"):
            if getattr(self, name) <= timedelta(0):
                yield Fault(name, "must be longer than 0s")
