"""The same schedule of kills for every queue: what was lost, what was done twice, how late the last one was."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from bench.http.machine import Cores
from bench.jobs.peers import Queue
from bench.jobs.processes import Side, produced
from bench.jobs.queues.effects import EFFECTS
from bench.jobs.store import BenchStore

KILLS = 6
APART_SECONDS = 3.0
QUIET_SECONDS = 75.0
"""How long nothing may come before what is missing counts as lost: more than three leases of any of them."""

ONCE = "bench:once"
"""Where a queue that has such a thing counts the effects it keeps to one."""


@dataclass(frozen=True)
class Losses:
    """What the schedule left of the jobs that were acknowledged."""

    queue: str
    jobs: int
    lost: int
    doubled: int
    seconds: float


def losses(queue: Queue, store: BenchStore, cores: Cores, jobs: int, say: Callable[[str], None]) -> Losses:
    """Kill the worker six times while it works, and the store once; then wait until nothing more comes."""
    store.empty()
    produced(queue, "effect", jobs, store.url, cores.load, 300.0)
    # An append-only file is written out once a second: what was acknowledged before counts as kept from here on.
    time.sleep(1.5)
    began = time.monotonic()
    side = Side(queue, "work", "effect", jobs, store.url, cores.server)
    for number in range(KILLS):
        time.sleep(APART_SECONDS)
        if number == KILLS // 2:
            store.kill()
            store.start()
        side.kill()
        side = Side(queue, "work", "effect", jobs, store.url, cores.server)
    try:
        found, last = _settled(store, jobs)
    finally:
        side.kill()
    runs = Counter(found)
    result = Losses(queue.key, jobs, jobs - len(runs), sum(runs.values()) - len(runs), last - began)
    say(f"{queue.name}: {result.lost} lost, {result.doubled} doubled")
    return result


def _settled(store: BenchStore, jobs: int) -> tuple[list[int], float]:
    """The effects once each has come, or none has for long; and when the last one came."""
    found, last = store.effects(EFFECTS), time.monotonic()
    while len(set(found)) < jobs and time.monotonic() - last < QUIET_SECONDS:
        time.sleep(0.5)
        now = store.effects(EFFECTS)
        if len(now) > len(found):
            found, last = now, time.monotonic()
    return found, last
