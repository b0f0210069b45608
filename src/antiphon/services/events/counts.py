"""What is counted about events: how many were published, how far listeners are behind, and what they have missed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class EventCounts(Collector):
    """Integers, and what they are called for whoever shows metrics. Lags are those of listeners that are fed here."""

    def __init__(self) -> None:
        self.published = Counter[str]()
        self.gaps = Counter[str]()
        self.undecodable = 0
        self.lags: dict[str, int] = {}

    def collect(self) -> Iterable[Metric]:
        """Everything counted so far."""
        published = CounterMetricFamily("antiphon_events_published", "Events that were published.", labels=("event",))
        for name, count in sorted(self.published.items()):
            published.add_metric((name,), count)
        lag = GaugeMetricFamily(
            "antiphon_events_lag", "Entries of its log that a listener has not been given yet.", labels=("listener",)
        )
        for name, behind in sorted(self.lags.items()):
            lag.add_metric((name,), behind)
        gaps = CounterMetricFamily(
            "antiphon_events_gap", "How often a listener missed events that were gone.", labels=("listener",)
        )
        for name, count in sorted(self.gaps.items()):
            gaps.add_metric((name,), count)
        yield from (published, lag, gaps)
        yield CounterMetricFamily(
            "antiphon_events_undecodable", "Entries of logs that are no events.", value=self.undecodable
        )
