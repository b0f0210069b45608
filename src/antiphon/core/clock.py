"""Time and ids: two small contracts that tests own, and what the system gives."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from random import getrandbits
from typing import Protocol


class Clock(Protocol):
    """What time it is. A test's clock stands still until it is told to move."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait this long, by this clock."""
        ...


class Ids(Protocol):
    """Where new ids come from. A test's ids are the same on every run."""

    def uuid7(self) -> str:
        """A new UUIDv7 (RFC 9562 §5.7): 36 characters, rising with time."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    # The function itself: every call asks for it, and a frame of our own around it would cost more than it does.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class RandomIds:
    """Ids from the time and 72 random bits: names and no secrets. `random` seeds itself anew after a fork.

    The bits are new in every millisecond, and counted up within one, so that ids are in the order in which they were
    made (RFC 9562 §6.2, method 2) and cost no more than to write them.
    """

    def __init__(self) -> None:
        self._millis = 0
        self._front = ""
        self._last = 0

    def uuid7(self) -> str:
        millis = time.time_ns() // 1_000_000
        if millis == self._millis:
            self._last += 1
            return f"{self._front}{self._last:x}"
        return self._renew(millis)

    def _renew(self, millis: int) -> str:
        """The first id of a millisecond. A clock that goes back begins anew as well, with other bits."""
        bits = getrandbits(74)
        text = f"{(millis << 80) | (7 << 76) | (bits >> 62 << 64) | (1 << 63) | (bits & 0x3FFFFFFFFFFFFFFF):032x}"
        self._millis = millis
        self._front = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-"
        # Between a quarter and half of what twelve digits hold: counting up never leaves them, and none is a leading 0.
        self._last = (int(text[20:], 16) >> 2) | (1 << 46)
        return f"{self._front}{self._last:x}"
