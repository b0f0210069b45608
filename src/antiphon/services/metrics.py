"""Counters as Prometheus text: the tallies of calls, and whatever else registers with this application's registry."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.core.service import service
from antiphon.core.tally import BUCKETS, Tallies


class CallCollector(Collector):
    """Shows the tallies when somebody asks, so that counting itself costs a call nothing but integers."""

    def __init__(self, tallies: Tallies) -> None:
        self._tallies = tallies

    def collect(self) -> Iterable[Metric]:
        """Calls by action, transport and outcome, and how long they took."""
        calls = CounterMetricFamily(
            "antiphon_calls",
            "Calls by outcome: OK, or the type of an error.",
            labels=("action", "transport", "outcome"),
        )
        seconds = HistogramMetricFamily("antiphon_call_seconds", "How long calls took.", labels=("action", "transport"))
        for (action, transport), tally in self._tallies.items():
            for outcome, count in sorted(tally.outcomes.items()):
                calls.add_metric((action, transport, outcome), count)
            seconds.add_metric((action, transport), buckets=list(_cumulative(tally.buckets)), sum_value=tally.seconds)
        yield calls
        yield seconds


def _cumulative(buckets: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*map(str, BUCKETS), "+Inf"), buckets, strict=True):
        total += count
        yield bound, total


class Metrics:
    """The registry of one application. Parts add collectors or metrics to `registry`."""

    def __init__(self, tallies: Tallies) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(CallCollector(tallies))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def render(self) -> tuple[str, bytes]:
        """The content type and the text of everything counted so far."""
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.registry)


@service
async def metrics(tallies: Tallies) -> AsyncIterator[Metrics]:
    """The counters of this application; nothing is global, so two applications do not mix theirs."""
    yield Metrics(tallies)
