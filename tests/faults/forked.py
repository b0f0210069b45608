"""Processes that begin as a fork of one that has imported everything: the same as others, for a tenth of the start."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import Signals

_FORKING = multiprocessing.get_context("forkserver")
_FORKING.set_forkserver_preload(["antiphon", "antiphon.modules.jobs", "tests.services.outbox_stage"])


class ForkedProcess:
    """A program of Python in a process of its own, with the interface of one of asyncio that is used here."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self.pid = process.pid or 0

    @classmethod
    def start(
        cls, program: str, words: Sequence[str], folder: Path, environ: Mapping[str, str], output: Path
    ) -> ForkedProcess:
        """Run `python -m program words…` with these variables and no others; all that it says goes to a file."""
        process = _FORKING.Process(target=_run, args=(program, [*words], str(folder), dict(environ), str(output)))
        process.start()
        return cls(process)

    @property
    def returncode(self) -> int | None:
        """Its exit code, or minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def send_signal(self, signal: Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, signal)

    async def wait(self) -> int:
        """Its exit code, once it has ended."""
        ended = asyncio.Event()
        loop, sentinel = asyncio.get_running_loop(), self._process.sentinel
        loop.add_reader(sentinel, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(sentinel)
        self._process.join()
        return self._process.exitcode or 0

    def close(self) -> None:
        """Let go of what is held for a process that has ended."""
        self._process.close()


def _run(program: str, words: list[str], folder: str, environ: dict[str, str], output: str) -> None:
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(written)
    sys.argv = [program, *words]
    runpy.run_module(program, run_name="__main__", alter_sys=True)
