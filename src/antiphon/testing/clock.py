"""A clock that stands still until the test moves it, and ids that are the same on every run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta


class StandingClock:
    """Time as the test says it is. Whoever sleeps by it wakes when it has been moved far enough."""

    def __init__(self, at: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._at = at
        self._seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        """The time of day."""
        return self._at

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved this far. Nothing at all is waited for by letting others run once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._seconds + seconds, woken))
        await woken

    def move(self, by: timedelta) -> None:
        """Let time pass."""
        self._at += by
        self._seconds += by.total_seconds()
        due = [woken for at, woken in self._sleepers if at <= self._seconds]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self._seconds]
        for woken in due:
            if not woken.done():
                woken.set_result(None)


class CountingIds:
    """Ids that count: `00000000-0000-7000-8000-000000000001` is the first. Each has the form of a UUIDv7 and rises."""

    def __init__(self) -> None:
        self._given = 0

    def uuid7(self) -> str:
        """The next id."""
        self._given += 1
        return f"00000000-0000-7000-8000-{self._given:012x}"
