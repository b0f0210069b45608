"""What is counted about schedules: ticks by what became of them, and how late they were run."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

LATENESS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Upper bounds of the time classes, in seconds."""


class TickCounts:
    """The ticks of one process: those that its scheduler was the first to deal with."""

    def __init__(self) -> None:
        self.ticks: Counter[tuple[str, str]] = Counter()
        self.buckets = [0] * (len(LATENESS) + 1)
        self.late_seconds = 0.0

    def add(self, schedule: str, outcome: str, count: int = 1) -> None:
        """Count ticks of a schedule."""
        self.ticks[schedule, outcome] += count

    def late(self, seconds: float) -> None:
        """Note how late a tick was run."""
        self.buckets[bisect_left(LATENESS, seconds)] += 1
        self.late_seconds += seconds


class TickCollector(Collector):
    """Shows the counts when somebody asks."""

    def __init__(self, counts: TickCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Ticks by schedule and outcome, and their lateness."""
        ticks = CounterMetricFamily(
            "antiphon_ticks",
            "Ticks of schedules: enqueued, or skipped while a run was unfinished, or missed by the policy.",
            labels=("schedule", "outcome"),
        )
        for labels, count in sorted(self._counts.ticks.items()):
            ticks.add_metric(labels, count)
        yield ticks
        bounds = (*map(str, LATENESS), "+Inf")
        yield HistogramMetricFamily(
            "antiphon_tick_late_seconds",
            "How long after its time a tick was enqueued.",
            buckets=[*zip(bounds, accumulate(self._counts.buckets), strict=True)],
            sum_value=self._counts.late_seconds,
        )
