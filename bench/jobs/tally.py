"""What a worker and a producer of the bench count, said as one line of JSON: nothing here knows a queue."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path


class Tally:
    """Counts runs in a worker. Times are of the machine's monotonic clock, which all its processes share."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._count = 0
        self._began = 0.0
        self._cpu = 0.0
        self._latencies: list[float] = []

    def begin(self) -> None:
        """A run begins; the first one starts the clocks."""
        if not self._began:
            self._began, self._cpu = time.monotonic(), time.process_time()

    def ran(self, sent: float) -> None:
        """A run has ended; the last one says what it came to."""
        self._latencies.append(time.monotonic() - sent)
        self._count += 1
        if self._count == self._expected:
            waits = sorted(self._latencies)
            say(
                seconds=time.monotonic() - self._began,
                cpu=time.process_time() - self._cpu,
                memory=_memory_bytes(),
                p50=waits[len(waits) // 2],
                p99=waits[len(waits) * 99 // 100],
            )


def _memory_bytes() -> int:
    # The peak that the kernel keeps of a process begins with that of its parent.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def say(**facts: float) -> None:
    """Tell the bench, which reads lines."""
    # Not print(): some queues put a logger in the place of standard output.
    os.write(1, (json.dumps(facts) + "\n").encode())


async def send(count: int, apart: float, enqueue: Callable[[float], Awaitable[object]]) -> None:
    """Enqueue so many jobs, fifty at once or one by one with pauses, and say how long it took."""
    import asyncio  # noqa: PLC0415  # Celery's producer is no coroutine and does without

    left = iter(range(count))

    async def some() -> None:
        for _ in left:
            await enqueue(time.monotonic())
            if apart:
                await asyncio.sleep(apart)

    began, cpu = time.monotonic(), time.process_time()
    await asyncio.gather(*(some() for _ in range(1 if apart else 50)))
    say(seconds=time.monotonic() - began, cpu=time.process_time() - cpu)
