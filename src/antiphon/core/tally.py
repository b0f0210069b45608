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

    __slots__ = ("_outcomes", "_quick", "_slower", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        # Calls that gave a result within the first class, which are nearly all: one number stands for two.
        self._quick = 0
        self._outcomes: dict[str, int] = {}
        self._slower = [0] * (len(BUCKETS) + 1)

    def add(self, outcome: str, seconds: float) -> None:
        """Count one call."""
        self.seconds += seconds
        if outcome is OK and seconds <= _FIRST:
            self._quick += 1
        else:
            self._outcomes[outcome] = self._outcomes.get(outcome, 0) + 1
            self._slower[bisect_left(BUCKETS, seconds)] += 1

    @property
    def outcomes(self) -> dict[str, int]:
        """How many calls had each outcome."""
        if not self._quick:
            return {**self._outcomes}
        return {**self._outcomes, OK: self._outcomes.get(OK, 0) + self._quick}

    @property
    def buckets(self) -> list[int]:
        """How many calls took as long as each class says, the last being those beyond every bound."""
        first, *slower = self._slower
        return [first + self._quick, *slower]


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
