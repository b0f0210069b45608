"""What is counted about the outbox: how much waits in it and since when, what was sent, what was set aside."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.core.clock import Clock
from antiphon.services.streams.drain import Counts


class OutboxCollector(Collector):
    """Shows the counts when somebody asks. The table is one for all processes, which each show what they last saw."""

    def __init__(self, counts: Counts, clock: Clock) -> None:
        self._counts = counts
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        """The rows in the table, as of the last look, and what this process has done with rows."""
        counts, depth = self._counts, self._counts.depth
        oldest = 0.0 if depth.oldest_at is None else (self._clock.now() - depth.oldest_at).total_seconds()
        yield GaugeMetricFamily("antiphon_outbox_rows", "Messages that are not yet safe in the store.", depth.rows)
        yield GaugeMetricFamily(
            "antiphon_outbox_oldest_seconds", "How long the oldest of them has been there.", max(0.0, oldest)
        )
        yield GaugeMetricFamily("antiphon_outbox_aside_rows", "Messages that can never be sent.", depth.aside)
        yield CounterMetricFamily("antiphon_outbox_sent", "Messages sent, repeated ones too.", counts.sent)
        yield CounterMetricFamily("antiphon_outbox_set_aside", "Messages that were set aside.", counts.set_aside)
        yield CounterMetricFamily("antiphon_streams_store_losses", "Stores that came back empty.", counts.losses)
