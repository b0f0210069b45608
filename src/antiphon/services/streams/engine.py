"""What every part of the queues stands on: the store, the names of its keys, the time there, and the settings."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from antiphon.core.clock import Clock
from antiphon.core.log import Logger
from antiphon.services.streams.keys import Keys
from antiphon.services.streams.settings import StreamSettings
from antiphon.services.streams.time import StoreTime
from antiphon.stores.base import Store


class Engine:
    """The queues of one store. Every method raises Unavailable when the store is away; the step may have run or not.

    `time` is what time it is in the store. Steps that take several jobs are one trip.
    """

    def __init__(self, store: Store, settings: StreamSettings, clock: Clock, log: Logger) -> None:
        self.store = store
        self.settings = settings
        self.keys = Keys(store)
        self.time = StoreTime(store, clock, settings.measure_time)
        self.losses: int = 0
        """How often this process was the one that told that the store has come back empty."""
        self._clock = clock
        self._log = log


def by_queue[T](items: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    """The items of each queue, in their order."""
    groups: dict[str, list[T]] = {}
    for queue, item in items:
        group = groups.get(queue)
        if group is None:
            groups[queue] = [item]
        else:
            group.append(item)
    return groups


def millis(time: timedelta | float) -> int:
    """As scripts take times: whole milliseconds, at least one."""
    seconds = time.total_seconds() if isinstance(time, timedelta) else time
    return max(1, round(seconds * 1000))
