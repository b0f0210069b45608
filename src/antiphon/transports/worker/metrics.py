"""What is counted about jobs and the loops around them, shown when somebody asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from antiphon.services.streams.job_counts import TIMES, JobCounts, Times
from antiphon.services.streams.supervisor import Supervisor

_BOUNDS = (*map(str, TIMES), "+Inf")


class JobCollector(Collector):
    """Shows what a worker and the supervisor of its process know. Every process of a crew counts for itself."""

    def __init__(self, supervisor: Supervisor, counts: Callable[[], JobCounts]) -> None:
        self._supervisor = supervisor
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Jobs by what became of them, how long they waited and ran; loops by their age and their reconnections."""
        yield from _jobs(self._counts())
        reconnects = CounterMetricFamily(
            "antiphon_streams_reconnects", "Rounds of a loop that failed and were begun anew.", labels=("loop",)
        )
        for name, count in sorted(self._supervisor.all_reconnects().items()):
            reconnects.add_metric((name,), count)
        yield reconnects
        ages = GaugeMetricFamily(
            "antiphon_streams_round_age_seconds", "Seconds since a loop has completed a round.", labels=("loop",)
        )
        for name, loop in sorted(self._supervisor.loops.items()):
            ages.add_metric((name,), loop.age_seconds)
        yield ages


def _jobs(counts: JobCounts) -> Iterator[Metric]:
    settled = CounterMetricFamily(
        "antiphon_jobs_settled",
        "Attempts of jobs by what became of the job.",
        labels=("action", "queue", "outcome"),
    )
    for labels, count in sorted(counts.settled.items()):
        settled.add_metric(labels, count)
    yield settled
    seconds = HistogramMetricFamily("antiphon_jobs_seconds", "How long attempts took.", labels=("action", "queue"))
    for labels, times in sorted(counts.seconds.items()):
        _add(seconds, labels, times)
    yield seconds
    waits = HistogramMetricFamily(
        "antiphon_jobs_wait_seconds", "How long jobs that were ready waited for a worker.", labels=("queue",)
    )
    for queue, times in sorted(counts.waits.items()):
        _add(waits, (queue,), times)
    yield waits
    for name, text, counter in (
        ("crashes", "Attempts that ended with their worker.", counts.crashes),
        ("lease_lost", "Attempts that another one has overtaken.", counts.lost),
    ):
        family = CounterMetricFamily(f"antiphon_jobs_{name}", text, labels=("queue",))
        for queue, count in sorted(counter.items()):
            family.add_metric((queue,), count)
        yield family
    yield GaugeMetricFamily("antiphon_jobs_stuck", "Jobs that ignore the end of their time.", value=counts.stuck)


def _add(family: HistogramMetricFamily, labels: tuple[str, ...], times: Times) -> None:
    family.add_metric(
        labels, buckets=list(zip(_BOUNDS, accumulate(times.buckets), strict=True)), sum_value=times.seconds
    )
