"""The time of the store, which is the only one that decides when a job is due."""

# A node's wall clock may be a day off. So the store is asked once in a while, and in between the node's monotonic
# clock runs on from its answer: the error is half a trip and what the monotonic clock drifts until the next question.

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from redis.exceptions import RedisError

from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.stores.base import Store

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class StoreTime:
    """What time it is in the store. Until the store has been asked, the application's own clock stands in."""

    def __init__(self, store: Store, clock: Clock, measure_time: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._measure_seconds = measure_time.total_seconds()
        self._offset: float | None = None
        self._measured_at = 0.0

    @property
    def measured(self) -> bool:
        """Whether the store has been asked."""
        return self._offset is not None

    def seconds(self) -> float:
        """Seconds since 1970, by the store."""
        if self._offset is None:
            return self._clock.now().timestamp()
        return self._clock.monotonic() + self._offset

    def millis(self) -> int:
        """Milliseconds since 1970, by the store."""
        return int(self.seconds() * 1000)

    def now(self) -> datetime:
        """The time of day in UTC, by the store."""
        return at(self.millis())

    async def measure(self) -> None:
        """Ask the store, on every connect and every `streams.measure_time`. Raises Unavailable."""
        before = self._clock.monotonic()
        answer = cast("tuple[Any, Any]", await self._store.client.execute_command("TIME"))
        after = self._clock.monotonic()
        self._offset = int(answer[0]) + int(answer[1]) / 1_000_000 - (before + after) / 2
        self._measured_at = after

    async def current(self) -> datetime:
        """`now()`, after asking the store if that is due; a store that is away does not hinder it."""
        if self._offset is None or self._clock.monotonic() - self._measured_at >= self._measure_seconds:
            try:
                await self.measure()
            except (Unavailable, RedisError):
                pass
        return self.now()


def at(millis: float) -> datetime:
    """The moment so many milliseconds after 1970."""
    return _EPOCH + timedelta(milliseconds=millis)


def millis_of(moment: datetime) -> int:
    """How many milliseconds after 1970 this is."""
    return round((moment - _EPOCH) / timedelta(milliseconds=1))
