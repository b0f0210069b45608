"""Counts calls, by action and transport, with nothing but integers: whoever shows metrics reads them when asked."""

from __future__ import annotations

from bisect import bisect_left

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the time classes, in seconds."""

_FIRST = BUCKETS[0]

OK = "OK"
"""The outcome of a call that gave a result; every other outcome is the `type` of an error."""


class Tally:
    """The calls of one action over one transport: how many by outcome, and how long they took."""

    __slots__ = ("buckets", "outcomes", "seconds")

    def __init__(self) -> None:
        self.outcomes: dict[str, int] = {}
        self.buckets = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, outcome: str, seconds: float) -> None:
        """Count one call."""
        try:
            self.outcomes[outcome] += 1
        except KeyError:
            self.outcomes[outcome] = 1
        # Most calls are in the first class.
        self.buckets[0 if seconds <= _FIRST else bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class Tallies:
    """Every tally of an application."""

    __slots__ = ("_all",)

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], Tally] = {}

    def of(self, action: str, transport: str) -> Tally:
        """The tally of this action over this transport, made at first use."""
        tally = self._all.get((action, transport))
        if tally is None:
            tally = self._all[action, transport] = Tally()
        return tally

    def items(self) -> list[tuple[tuple[str, str], Tally]]:
        """What was counted so far, as ((action, transport), tally)."""
        return sorted(self._all.items())
