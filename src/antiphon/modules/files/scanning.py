"""Has a program of the operator look at a file, and reads its verdict from its exit code."""

# The theory. A scanner is a program like any other: it may hang, break, talk without end, or start others. It gets the
# path of the file and nothing else of ours: no shell, no input, no variables, no folder, no terminal.
#
#   how it ends              verdict   what becomes of the file
#   exit 0                   CLEAN     it may be fetched
#   exit 1                   FOUND     its bytes are deleted
#   another code, a signal   FAILED    it waits until a scan succeeds
#   not within its time      FAILED    the same; the scanner and what it has started are killed
#   could not be started     FAILED    the same
#
# What it says goes through a pipe that is always read, so that it never waits for us; its beginning is for the log.

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from typing import NamedTuple

SAID_BYTES = 1_000
"""How much is kept of what a scanner says."""

_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
_KILLING_SECONDS = 5.0
_LAST_WORDS_SECONDS = 1.0


class Verdict(Enum):
    """What a scan came to."""

    CLEAN = auto()
    FOUND = auto()
    FAILED = auto()


class Scan(NamedTuple):
    """The end of a scan: the verdict, how the scanner ended, and the beginning of what it said (for the log alone)."""

    verdict: Verdict
    end: str
    said: str = ""


class _Output(asyncio.Protocol):
    """Keeps the beginning of what comes through the pipe, and drops the rest."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.ended = asyncio.Event()
        self._pipe: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pipe = transport

    def close(self) -> None:
        """Read nothing more."""
        if self._pipe is not None:
            self._pipe.close()

    def data_received(self, data: bytes) -> None:
        self.kept += data[: SAID_BYTES - len(self.kept)]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()

    async def said(self) -> str:
        """What was said, once the pipe is empty; what the scanner left running may hold it open."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                await self.ended.wait()
        return self.kept.decode("utf-8", "replace").strip()


async def scan(command: tuple[str, ...], path: Path, seconds: float) -> Scan:
    """Run the scanner on this file, for at most so many seconds. Nothing that it does raises."""
    try:
        output, process = await _begin(command, path)
        try:
            code = await _end_of(process, seconds)
            said = await output.said()
        finally:
            output.close()
    except OSError as error:
        return Scan(Verdict.FAILED, f"could not be started: {type(error).__name__}")
    if code is None:
        return Scan(Verdict.FAILED, "was not done in time", said)
    verdict = {0: Verdict.CLEAN, 1: Verdict.FOUND}.get(code, Verdict.FAILED)
    return Scan(verdict, f"signal {-code}" if code < 0 else f"exit {code}", said)


async def _begin(command: tuple[str, ...], path: Path) -> tuple[_Output, asyncio.subprocess.Process]:
    """Start the scanner, with what it says. However this ends, no end of the pipe stays open that is not needed."""
    reading, writing = os.pipe()
    try:
        _, output = await asyncio.get_running_loop().connect_read_pipe(_Output, os.fdopen(reading, "rb", 0))
        try:
            return output, await _start(command, path, writing)
        except BaseException:
            output.close()
            raise
    finally:
        os.close(writing)


async def _start(command: tuple[str, ...], path: Path, output: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *_words(command, path),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=_ENVIRONMENT,
        start_new_session=True,
    )


def _words(command: tuple[str, ...], path: Path) -> tuple[str, ...]:
    # A path from the root never looks like a flag.
    return (*command, str(path.absolute()))


async def _end_of(process: asyncio.subprocess.Process, seconds: float) -> int | None:
    """The exit code; None for one that had to be killed. However this ends, nothing of it runs on."""
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        # The whole group: what the scanner has started would otherwise stay, also when the scanner has ended itself.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILLING_SECONDS):
                await process.wait()
