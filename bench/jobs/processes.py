"""Starts the producers and workers of a queue, and reads the lines they say."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager

from bench.jobs.peers import ROOT, Queue

READY_SECONDS = 30.0


class BenchFault(Exception):
    """The run cannot go on; says why."""


class Side:
    """One process: a producer or a worker."""

    def __init__(self, queue: Queue, side: str, work: str, count: int, url: str, core: int) -> None:
        self._queue, self._side = queue, side
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        command = [queue.python, "-m", "bench.jobs.serve", queue.key, side, work, str(count), "--core", str(core)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": url, "PYTHONWARNINGS": "ignore"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,
        )
        self._buffer = b""

    def line(self, within: float) -> dict[str, float]:
        """The next line it says. Raises BenchFault when none comes in time."""
        deadline = time.monotonic() + within
        output = self._process.stdout
        assert output is not None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([output], [], [], max(0.0, left))
            data = os.read(output.fileno(), 65_536) if ready else b""
            if not data:
                raise BenchFault(f"{self._queue.name} ({self._side}) said nothing for {within:.0f} s:\n{self._said()}")
            self._buffer += data
        said, _, self._buffer = self._buffer.partition(b"\n")
        try:
            return json.loads(said)
        except ValueError:
            # A queue's own greeting.
            return self.line(max(0.1, deadline - time.monotonic()))

    def kill(self) -> None:
        """Kill it, with whatever it has started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-2_000:].strip()


@contextmanager
def worker(queue: Queue, work: str, count: int, url: str, core: int) -> Generator[Side]:
    """A worker that is ready, until the end of the block."""
    side = Side(queue, "work", work, count, url, core)
    try:
        side.line(READY_SECONDS)
        yield side
    finally:
        side.kill()


def produced(queue: Queue, work: str, count: int, url: str, core: int, within: float) -> dict[str, float]:
    """Let a producer run to its end; gives what it said."""
    side = Side(queue, "produce", work, count, url, core)
    try:
        return side.line(within)
    finally:
        side.kill()
