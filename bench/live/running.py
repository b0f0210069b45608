"""One running server of sockets: how it is started, known to be ready, weighed, and told to collect its garbage."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from bench.http.running import BenchFault, Running
from bench.live.peers import LivePeer
from bench.live.sockets import Line

COLLECT_SECONDS = 0.5


class LiveRunning(Running):
    """One server, with whatever processes it starts itself."""

    peer: LivePeer

    def __init__(self, peer: LivePeer, core: int, ports: Iterator[int]) -> None:
        super().__init__(peer, core, ports, python=None, layered=False)
        self.peer = peer

    def command(self, python: str, core: int) -> list[str]:
        """What starts the server; the socket or the port is added to it."""
        return [python, "-m", "bench.live.serve", self.peer.module, "--core", str(core)]

    def answers(self) -> bool:
        """Whether a socket opens by now; waits a little where it does not."""
        try:
            Line(self.port, self.peer.dialect.path).close()
        except (OSError, BenchFault):
            time.sleep(0.05)
            return False
        return True

    def resident_bytes(self) -> int:
        """The memory that the server's own process has in use, its libraries with it; not what it started."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
        if found is None:
            raise BenchFault(f"{self.peer.name} has ended: {self.said()}")
        return int(found[1]) * 1024

    def collect(self) -> None:
        """Have it collect its garbage, and give it the time."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        time.sleep(COLLECT_SECONDS)
