"""Time and ids: two small contracts that tests own, and what the system gives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import getrandbits
from typing import Protocol

_COUNTED = 4096
_DIGITS = [f"{low:03x}" for low in range(_COUNTED)]
"""What three digits say, written out: every call has an id, and writing them is half of its cost."""


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

    def __init__(self, nanoseconds: Callable[[], int] = time.time_ns) -> None:
        self._nanoseconds = nanoseconds
        self._millis: int = 0
        self._front = ""
        # The last twelve digits: nine that stand in the front as well, and three that are counted.
        self._high = self._low = 0

    def uuid7(self) -> str:
        millis = self._nanoseconds() // 1_000_000
        low = self._low + 1
        if millis == self._millis and low < _COUNTED:
            self._low = low
            return self._front + _DIGITS[low]
        return self._renew(millis)

    def _renew(self, millis: int) -> str:
        """The first id of a millisecond, or of the next 4,096. A clock that goes back begins anew, with other bits."""
        if millis == self._millis:
            self._high, self._low = self._high + 1, 0
            self._front = f"{self._front[:24]}{self._high:x}"
        else:
            bits = getrandbits(74)
            text = f"{(millis << 80) | (7 << 76) | (bits >> 62 << 64) | (1 << 63) | (bits & 0x3FFFFFFFFFFFFFFF):032x}"
            self._millis = millis
            # Between a quarter and half of what nine digits hold: counting up never leaves them, none is a leading 0.
            self._high, self._low = (int(text[20:29], 16) >> 2) | (1 << 34), int(text[29:], 16)
            self._front = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{self._high:x}"
        return self._front + _DIGITS[self._low]
