"""What is counted about limits: how often each of them had no room, and how often nobody but this process decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class LimitCollector(Collector):
    """Counts in integers, and shows them when somebody asks."""

    def __init__(self) -> None:
        self.refused: Counter[tuple[str, bool]] = Counter()
        """By the name of a limit, and whether it is only watched."""
        self.alone = 0
        """The decisions without the store."""

    def collect(self) -> Iterable[Metric]:
        """The limits that had no room for a call, and the decisions that were made without the store."""
        refused = CounterMetricFamily(
            "antiphon_limit_refusals", "Calls for which a limit had no room.", labels=("limit", "watched")
        )
        for (name, watched), count in sorted(self.refused.items()):
            refused.add_metric((name, "yes" if watched else "no"), count)
        yield refused
        yield CounterMetricFamily(
            "antiphon_limit_alone", "Decisions of limits that were made without the store.", value=self.alone
        )
