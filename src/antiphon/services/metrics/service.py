"""Counters as Prometheus text: the tallies of calls, and whatever else registers with this application's registry."""

# Several processes. A scrape reaches one of the crew, and has to show the sum over all of them. Counting stays what it
# is for one process, integers in memory: whoever is scraped asks the crew's first process, which asks every worker at
# that moment, adds what the ended ones had counted, and keeps each answer for the day on which it is the last one. So a
# scrape shows what is counted then, and sums never go back; what a killed worker counted after the last scrape is lost
# with it.
#
# Refused: a file of counters per worker, mapped into memory, which every call would pay for; the same file written
# every second, which shows numbers that were never true together; a socket per worker that the others ask, where nobody
# would remember a worker that is gone.

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.core.member import Member
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background, Measured, service
from antiphon.core.tally import BUCKETS, Tallies
from antiphon.services.metrics.totals import snapshot


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


class Metrics(Background):
    """The registry of one application. Transports add to `registry`; services that are Measured are asked."""

    def __init__(self, tallies: Tallies, member: Member | None = None) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(CallCollector(tallies))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self._member = member
        if member is not None:
            member.count = self.snapshot

    async def begin(self, runtime: Runtime) -> None:
        """Show what services count."""
        for part in {id(part): part for part in runtime.services.values()}.values():
            if isinstance(part, Measured):
                for collector in part.collectors():
                    self.registry.register(collector)

    def snapshot(self) -> bytes:
        """Everything that this process has counted so far, for `Totals`."""
        return snapshot(self.registry)

    def render(self) -> tuple[str, bytes] | Awaitable[tuple[str, bytes]]:
        """The content type and the text of everything counted so far, by every process of the crew.

        Raises Unavailable when the crew does not answer: a part of the sum would look like counters going back.
        """
        if self._member is not None:
            return self._render_total(self._member)
        return CONTENT_TYPE_PLAIN_0_0_4, generate_latest(self.registry)

    async def _render_total(self, member: Member) -> tuple[str, bytes]:
        return CONTENT_TYPE_PLAIN_0_0_4, await member.total()


@service
async def metrics(tallies: Tallies, member: Member | None = None) -> AsyncIterator[Metrics]:
    """The counters of this application; nothing is global, so two applications do not mix theirs."""
    yield Metrics(tallies, member)
