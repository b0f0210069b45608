"""One running server: started on its own core, frozen while others are measured, its CPU read from the kernel."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from bench.http.peers import Peer
from bench.http.serve import MISSING
from bench.http.works import STATUS_PATH

ROOT = Path(__file__).parent.parent.parent
START_SECONDS = 60.0
STOP_SECONDS = 5.0
CPUCLOCK_SCHED = 2
FIRST_PORT, LAST_PORT = 20_000, 30_000


class NotHere(Exception):
    """The server cannot be had on this machine; the run goes on without it."""


class BenchFault(Exception):
    """The run cannot go on; says why."""


def cpu_of(*pids: int) -> float:
    """Seconds of CPU that processes have used, by the kernel's clocks of them. Raises OSError when one is gone."""
    return sum(time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) for pid in pids)


def free_ports() -> Iterator[int]:
    """Ports nobody listens on, none of them twice.

    They are beneath those that the system gives to outgoing connections, so that the load cannot take one away between
    asking and binding.
    """
    first = FIRST_PORT + os.getpid() * 97 % (LAST_PORT - FIRST_PORT)
    for port in (*range(first, LAST_PORT), *range(FIRST_PORT, first)):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        yield port
    raise BenchFault(f"every port from {FIRST_PORT} to {LAST_PORT} is taken")


class Running:
    """One server, with whatever processes it starts itself. What can inherit a socket inherits one that listens."""

    def __init__(self, peer: Peer, core: int, ports: Iterator[int], *, python: Path | None, layered: bool) -> None:
        self.peer = peer
        self.layered = layered
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop()
        self._tree: list[int] = []
        command = self.command(str(python or sys.executable), core)
        if peer.own_port:
            self.port = next(ports)
            self._process = self._start([*command, "--port", str(self.port)])
            return
        with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
            self.port = listener.getsockname()[1]
            self._process = self._start([*command, "--fd", str(listener.fileno())], listener.fileno())

    def command(self, python: str, core: int) -> list[str]:
        """What starts the server; the socket or the port is added to it."""
        command = [python, "-m", "bench.http.serve", self.peer.module, "--core", str(core)]
        return [*command, "--layered"] if self.layered else command

    def _start(self, command: list[str], *inherited: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._errors,
            stderr=self._errors,
            pass_fds=inherited,
            start_new_session=True,  # by which its own processes are known, and frozen together
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
            if self.answers():
                return
        raise BenchFault(f"{self.peer.name} did not answer within {START_SECONDS:.0f} s:\n{self.said()}")

    def answers(self) -> bool:
        """Whether it answers by now; waits a little where it does not."""
        # A path nobody has: the counters of the works stay at nothing.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", STATUS_PATH + "/none")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
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
        """CPU that all its processes have used, user and system, by the kernel's clocks of them (not by ticks)."""
        try:
            return cpu_of(*self._tree)
        except OSError as error:
            raise BenchFault(f"a process of {self.peer.name} ended under load: {self.said()}") from error

    def freeze(self) -> None:
        """Stop every process where it stands: its timers must not cost the next one anything."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the processes go on, and look which there are: once a visit, before anything is timed."""
        self._signal(signal.SIGCONT)
        self._tree = [self.pid, *_others_of(self.pid)]

    @property
    def pid(self) -> int:
        """The process that was started; others may have come of it."""
        return self._process.pid

    def _signal(self, number: int) -> None:
        for pid in (self.pid, *_others_of(self.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        """End every process."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._errors.close()


def _others_of(leader: int) -> list[int]:
    """The processes of its session, and those that left it for one of their own, as an embedded store does."""
    found = {leader}
    known: list[tuple[int, int, int]] = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                # The name of a program, in brackets, may hold anything; after it: state, parent, group, session.
                _, parent, _, session, *_ = (folder / "stat").read_text().rpartition(")")[2].split()
                known.append((int(folder.name), int(parent), int(session)))
    before = 0
    while len(found) > before:
        before = len(found)
        found |= {pid for pid, parent, session in known if parent in found or session in found}
    return sorted(found - {leader})
