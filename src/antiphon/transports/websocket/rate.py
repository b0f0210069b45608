"""How many frames a socket may send: so many a second, some more at once, and not too many that are refused."""

from __future__ import annotations

from typing import final

REFUSAL_SECONDS = 60.0


@final
class Rate:
    """The frames of one socket (a token bucket). Times are seconds of one clock that never goes back."""

    __slots__ = ("_at", "_left", "_refused", "_refused_at")

    def __init__(self, burst: int, now: float) -> None:
        self._left = float(burst)
        self._at = now
        self._refused = 0
        self._refused_at = now

    def allows(self, now: float, per_second: int, burst: int) -> bool:
        """Whether one more frame may come now; counts it if so."""
        left = self._left + (now - self._at) * per_second
        self._at = now
        if left > burst:
            left = float(burst)
        if left < 1.0:
            self._left = left
            return False
        self._left = left - 1.0
        return True

    def wait_seconds(self, per_second: int) -> float:
        """How long until the next frame may come."""
        return max(0.0, (1.0 - self._left) / per_second)

    def refused(self, now: float) -> int:
        """Count a refusal; gives how many there were within a minute from the first."""
        if now - self._refused_at > REFUSAL_SECONDS:
            self._refused, self._refused_at = 0, now
        self._refused += 1
        return self._refused
