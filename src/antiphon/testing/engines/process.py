"""A server process under test: what can be done to any of them, whatever it serves."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP, Signals
from types import TracebackType
from typing import Self

from antiphon.stores.child import Child
from antiphon.testing.waiting import wait_until

_MEMORY = "/dev/shm"  # noqa: S108  # mkdtemp makes a private folder in it
_ROOM_BYTES = 2 * 1024**3


def _place() -> str | None:
    """Where folders of servers are made: in memory where there is room, as each database is hundreds of files."""
    if os.name != "posix":
        return None
    try:
        if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES:
            return _MEMORY
    except OSError:
        pass
    # Not TMPDIR: a socket's path may have a hundred bytes, and TMPDIR is often long.
    return "/tmp"  # noqa: S108  # mkdtemp makes a private folder in it


class ServerProcess:
    """Starts on a temporary folder, which `remove()` (or the end of `async with`) takes away with the server.

    Use it in one thread: the server goes when the thread that started it goes.
    """

    name = "server"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="antiphon-", dir=_place()))
        self._child: Child | None = None
        self._paused: list[int] = []

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.remove()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.remove()

    @property
    def running(self) -> bool:
        """Whether the process is there, paused or not."""
        return self._child is not None and self._child.alive

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Start it and return when it answers. Data from before is there again."""
        if self.running:
            return
        self._child = await self._launch()
        await wait_until(self._answers, f"{self.name} never answered; its log is {self.folder}/server.log", within=30.0)

    async def stop(self, signal: Signals | None = None) -> None:
        """Ask it to end and wait until it has."""
        if self._child is not None:
            self.resume()
            await self._child.stop(signal or self._stop_signal, within=30.0)
            self._child = None

    async def kill(self) -> None:
        """SIGKILL to all of its processes: what it had not given to the system is lost."""
        if self._child is None:
            return
        family = self._family()
        for pid in family:
            _send(pid, SIGKILL)
        child, self._child, self._paused = self._child, None, []
        await wait_until(lambda: not child.alive, f"{self.name} never ended after SIGKILL")
        await wait_until(lambda: not any(_runs(pid) for pid in family), f"the workers of {self.name} never ended")

    async def restart(self) -> None:
        """Stop it and start it again on the same data."""
        await self.stop()
        await self.start()

    def pause(self) -> None:
        """SIGSTOP to all of its processes: connections stay open, and nothing answers."""
        # The parent first, so that no new worker escapes.
        if self._child is not None:
            _send(self._child.pid, SIGSTOP)
            self._paused = self._family()
            for pid in self._paused:
                _send(pid, SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause()`."""
        for pid in reversed(self._paused):
            _send(pid, SIGCONT)
        self._paused = []

    async def remove(self) -> None:
        """Stop it and delete its folder."""
        try:
            await self.stop()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def last_words(self) -> str:
        """The end of its log, on one line."""
        log = self.folder / "server.log"
        lines = log.read_text("utf-8", errors="replace").splitlines()[-8:] if log.exists() else []
        return " | ".join(lines) or "it said nothing"

    _stop_signal = Signals.SIGTERM

    async def _launch(self) -> Child:
        raise NotImplementedError

    async def _answers(self) -> bool:
        if not self.running:
            raise AssertionError(f"{self.name} ended while starting: {self.last_words()}")
        return await self._ready()

    async def _ready(self) -> bool:
        raise NotImplementedError

    def _family(self) -> list[int]:
        """The process and its children. Their ids are taken at once; a server's workers have no children."""
        if self._child is None:
            return []
        return [self._child.pid, *_children(self._child.pid)]


def _children(parent: int) -> list[int]:
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    if not stats:  # macOS
        lines = subprocess.run(["/bin/ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
        pairs = [line.split() for line in lines.splitlines()]
        return [int(pid) for pid, of in pairs if int(of) == parent]
    found: list[int] = []
    for stat in stats:
        try:
            # `pid (name) state ppid …`; the name may hold spaces and brackets.
            fields = stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _runs(pid: int) -> bool:
    """Whether the process still does something. One that waits to be reaped (Z) does not."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text("utf-8", errors="replace").rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return not Path("/proc/self").exists()


def _send(pid: int, signal: Signals) -> None:
    try:
        os.kill(pid, signal)
    except ProcessLookupError:
        pass
