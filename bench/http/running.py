"""One running server: started on its own core, frozen while others are measured, its CPU read from the kernel."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO

from bench.http.peers import Peer
from bench.http.serve import MISSING
from bench.http.works import STATUS_PATH

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 5.0
CPUCLOCK_SCHED = 2


class NotHere(Exception):
    """The server cannot be imported on this machine; the run goes on without it."""


class BenchFault(Exception):
    """The run cannot go on; says why."""


class Running:
    """One server process. It listens before it is started, so no port can be taken between asking and binding."""

    def __init__(self, peer: Peer, core: int, *, layered: bool) -> None:
        self.peer = peer
        self.layered = layered
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop()
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.port: int = listener.getsockname()[1]
            command = [sys.executable, "-m", "bench.http.serve", peer.module]
            command += ["--fd", str(listener.fileno()), "--core", str(core)]
            self._process = subprocess.Popen(
                [*command, "--layered"] if layered else command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=self._errors,
                stderr=self._errors,
                pass_fds=[listener.fileno()],
            )

    def await_ready(self) -> None:
        """Return when the server answers. Raises NotHere when it cannot be imported, BenchFault when it fails."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            status = self._process.poll()
            if status == MISSING:
                raise NotHere(self.said().splitlines()[-1])
            if status is not None:
                raise BenchFault(f"{self.peer.name} ended with {status} at its start:\n{self.said()}")
            if self._answers():
                return
        raise BenchFault(f"{self.peer.name} did not answer within {START_SECONDS:.0f} s:\n{self.said()}")

    def _answers(self) -> bool:
        # A path nobody has: the counters of the works stay at nothing.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", STATUS_PATH + "/none")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
            return False
        finally:
            connection.close()
        return True

    def said(self) -> str:
        """What the process wrote."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace").strip() or "(it said nothing)"

    def cpu_seconds(self) -> float:
        """CPU the process has used, user and system, by the kernel's clock of it (nanoseconds, not ticks)."""
        return time.clock_gettime((~self._process.pid << 3) | CPUCLOCK_SCHED)

    def freeze(self) -> None:
        """Stop the process where it stands: its timers must not cost the next one anything."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the process go on."""
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self.thaw()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._errors.close()
