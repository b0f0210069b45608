"""One visit to one queue: its figures for each work, on an empty store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench.http.machine import Cores
from bench.jobs.peers import Queue
from bench.jobs.processes import produced, worker
from bench.jobs.store import BenchStore

PATIENCE = 300.0
WAITS = 200


@dataclass(frozen=True)
class Figures:
    """What one visit found. Rates are jobs a second, CPU is microseconds of the queue's own process a job."""

    queue: str
    enqueue_rate: float
    enqueue_cpu: float
    work_rate: float
    work_cpu: float
    short_rate: float
    p50_ms: float
    p99_ms: float
    worker_bytes: float
    store_bytes_each: float


def visit(
    queue: Queue, store: BenchStore, cores: Cores, noops: int, shorts: int, say: Callable[[str], None]
) -> Figures:
    """Measure a queue once."""
    sent, held = _enqueue(queue, store, cores, "noop", noops)
    with worker(queue, "noop", noops, store.url, cores.server) as side:
        noop = side.line(PATIENCE)
    _enqueue(queue, store, cores, "short", shorts)
    with worker(queue, "short", shorts, store.url, cores.server) as side:
        short = side.line(PATIENCE)
    store.empty()
    with worker(queue, "wait", WAITS, store.url, cores.server) as side:
        produced(queue, "wait", WAITS, store.url, cores.load, PATIENCE)
        wait = side.line(PATIENCE)
    say(f"{queue.name}: {noops / noop['seconds']:,.0f} jobs/s")
    return Figures(
        queue=queue.key,
        enqueue_rate=noops / sent["seconds"],
        enqueue_cpu=sent["cpu"] / noops * 1e6,
        work_rate=noops / noop["seconds"],
        work_cpu=noop["cpu"] / noops * 1e6,
        short_rate=shorts / short["seconds"],
        p50_ms=wait["p50"] * 1e3,
        p99_ms=wait["p99"] * 1e3,
        worker_bytes=noop["memory"],
        store_bytes_each=held / noops,
    )


def _enqueue(queue: Queue, store: BenchStore, cores: Cores, work: str, count: int) -> tuple[dict[str, float], float]:
    store.empty()
    before = store.used_bytes()
    said = produced(queue, work, count, store.url, cores.server, PATIENCE)
    return said, store.used_bytes() - before
