"""What a worker counts about jobs: integers in memory, which whoever shows metrics reads when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict

TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Upper bounds of the time classes, in seconds: jobs may wait and run for long."""


class Times:
    """How long something took, by class."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        self.buckets = [0] * (len(TIMES) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(TIMES, seconds)] += 1
        self.seconds += seconds


class JobCounts:
    """The jobs of one process. `settled` is by action, queue and what became of the job."""

    def __init__(self) -> None:
        self.settled: Counter[tuple[str, str, str]] = Counter()
        self.seconds: defaultdict[tuple[str, str], Times] = defaultdict(Times)
        self.waits: defaultdict[str, Times] = defaultdict(Times)
        self.crashes: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self.stuck = 0
        self.running = 0
