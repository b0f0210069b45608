"""A person at a terminal: a command that runs on a pseudo-terminal, what it shows, and what is typed."""

from __future__ import annotations

import asyncio
import os
import pty
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

from antiphon.testing.waiting import wait_until

PATIENCE = 20.0


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """What a command of ours needs to find its modules, and these variables."""
    return {"PYTHONPATH": ":".join(filter(None, sys.path)), "TERM": "dumb", "PATH": os.defpath, **extra}


class Terminal:
    """A process whose standard input, output and error are one terminal."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process = process
        self._master = master
        self.screen = ""

    @classmethod
    @asynccontextmanager
    async def run(cls, folder: Path, environ: Mapping[str, str], *words: str) -> AsyncGenerator[Self]:
        """Run `python words…`; it is killed at the end of the block if it still runs."""
        master, slave = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            cwd=folder,
            env=environment(environ),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            # Without a terminal of its own: a question must not go to the terminal of whoever runs the tests.
            start_new_session=True,
        )
        os.close(slave)
        terminal = cls(process, master)
        loop = asyncio.get_running_loop()
        loop.add_reader(master, terminal._read)
        try:
            yield terminal
        finally:
            loop.remove_reader(master)
            if process.returncode is None:
                process.kill()
            await process.wait()
            os.close(master)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except OSError:  # how Linux says that the other end is closed
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._master)
        self.screen += data.decode().replace("\r\n", "\n")

    async def shows(self, text: str) -> None:
        """Wait until this is on the screen."""
        await wait_until(lambda: text in self.screen, f"{text!r} never came: {self.screen!r}", within=PATIENCE)

    def type(self, text: str) -> None:
        """Type this."""
        os.write(self._master, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, which a terminal of its own would turn into this signal."""
        self._process.send_signal(2)

    async def ended(self) -> int:
        """Wait for its end; gives the exit code."""
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()
