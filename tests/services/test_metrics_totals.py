"""Sums over processes: what is added, what is told apart, and what is kept of processes that have ended."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary

from antiphon.services.metrics import Totals
from antiphon.services.metrics.totals import snapshot


class Process:
    """What one process counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("calls", "Calls.", ["action"], registry=self.registry)
        self.seconds = Histogram("seconds", "Time.", buckets=(1, 10), registry=self.registry)
        self.bytes = Summary("bytes", "Sizes.", registry=self.registry)
        self.memory = Gauge("memory", "Memory.", registry=self.registry)

    def taken(self) -> bytes:
        """Its snapshot."""
        return snapshot(self.registry)


def lines(totals: Totals) -> list[str]:
    """The samples as text, without when they were created."""
    text = totals.render().decode().splitlines()
    return [line for line in text if not line.startswith("#") and "_created" not in line]


def test_counters_are_added_by_their_labels() -> None:
    """One that only some processes have is as good as any."""
    one, two = Process(), Process()
    one.calls.labels("a").inc(3)
    two.calls.labels("a").inc(4)
    two.calls.labels("b").inc()
    totals = Totals()
    totals.add(one.taken(), 1)
    totals.add(two.taken(), 2)

    assert [line for line in lines(totals) if line.startswith("calls")] == [
        'calls_total{action="a"} 7.0',
        'calls_total{action="b"} 1.0',
    ]


def test_histograms_and_summaries_are_added_by_bucket() -> None:
    """Buckets, counts and sums, in the order in which they stand."""
    one, two = Process(), Process()
    for process, seconds in ((one, 0.5), (one, 5), (two, 50)):
        process.seconds.observe(seconds)
        process.bytes.observe(10)
    totals = Totals()
    totals.add(one.taken(), 1)
    totals.add(two.taken(), 2)

    assert [line for line in lines(totals) if not line.startswith("memory")] == [
        'seconds_bucket{le="1.0"} 1.0',
        'seconds_bucket{le="10.0"} 2.0',
        'seconds_bucket{le="+Inf"} 3.0',
        "seconds_count 3.0",
        "seconds_sum 55.5",
        "bytes_count 3.0",
        "bytes_sum 30.0",
    ]


def test_gauges_are_told_apart_by_worker() -> None:
    """The sum of two memories is no memory."""
    one, two = Process(), Process()
    one.memory.set(10)
    two.memory.set(20)
    totals = Totals()
    totals.add(one.taken(), 1)
    totals.add(two.taken(), 2)

    assert [line for line in lines(totals) if line.startswith("memory")] == [
        'memory{worker="1"} 10.0',
        'memory{worker="2"} 20.0',
    ]


def test_an_ended_process_leaves_its_counts_and_no_gauges() -> None:
    """So that sums never go back."""
    ended = Process()
    ended.calls.labels("a").inc(3)
    ended.memory.set(10)
    totals = Totals()
    totals.add(ended.taken())

    assert [line for line in lines(totals) if line.startswith(("calls", "memory"))] == ['calls_total{action="a"} 3.0']


def test_a_copy_is_added_to_apart() -> None:
    """What runs is added to what has ended anew at each scrape."""
    process = Process()
    process.calls.labels("a").inc()
    kept = Totals()
    kept.add(process.taken())

    kept.copy().add(process.taken(), 1)

    assert 'calls_total{action="a"} 1.0' in lines(kept)
