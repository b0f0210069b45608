"""Starts a server as a child process that ends when we do, and watches over its end."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from time import monotonic
from typing import IO

_LEASH = Path(__file__).with_name("leash.py")


class Child:
    """A running server that we started. It goes when the thread that started it goes (see `leash.py`)."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int | None) -> None:
        self._process = process
        self._pipe = pipe

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs; the first look after its end also reaps it."""
        if self._process.poll() is None:
            return True
        self._close_pipe()
        return False

    @property
    def exit_code(self) -> int | None:
        """How it ended: a code, a signal as a negative number, None while it runs."""
        return self._process.poll()

    def send(self, signal: Signals) -> None:
        """Send a signal; nothing happens if it is gone."""
        if self.alive:
            self._process.send_signal(signal)

    async def ended(self, *, within: float) -> bool:
        """Wait for its end, at most this many seconds; False when it still runs."""
        deadline = monotonic() + within
        while self.alive:
            if monotonic() > deadline:
                return False
            await asyncio.sleep(0.005)
        return True

    async def stop(self, signal: Signals = SIGTERM, *, within: float = 10.0) -> None:
        """Ask it to end, and kill it when it has not after `within` seconds. A paused one has to be killed."""
        self.send(signal)
        if not await self.ended(within=within):
            self.send(SIGKILL)
            await self.ended(within=5.0)

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None


def start_child(
    command: Sequence[str],
    *,
    folder: Path,
    output: IO[bytes] | None,
    at_our_end: Signals = SIGTERM,
    keep: Iterable[int] = (),
    around: Sequence[str] = (),
    user: tuple[int, int] | None = None,
    environment: Mapping[str, str] | None = None,
    watchdog: bool = sys.platform != "linux",
) -> Child:
    """Start `command` (a full path first) in `folder`, in a session of its own, so that Ctrl-C does not reach it.

    It gets `at_our_end` when the calling thread ends: call it where the loop runs, not from a pool. What it says goes
    to `output`; without one, to where ours goes. `keep` are descriptors it inherits, `around` is a program that runs
    it (`unshare …`), `user` are a uid and gid to change to.
    `watchdog` takes the way without Linux's prctl.
    """
    reading, writing = os.pipe() if watchdog else (-1, None)
    uid, gid = user or (-1, -1)
    leash = [sys.executable, "-I", "-S", str(_LEASH), *map(str, (os.getpid(), int(at_our_end), reading, uid, gid))]
    try:
        process = subprocess.Popen(
            [*around, *leash, *command],
            cwd=folder,
            env=None if environment is None else dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[*keep, reading] if watchdog else [*keep],
            start_new_session=True,
        )
    except BaseException:
        if writing is not None:
            os.close(writing)
        raise
    finally:
        if reading >= 0:
            os.close(reading)
    return Child(process, writing)
