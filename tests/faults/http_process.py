"""The suffering application in a process of its own, its port, its words and its end."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import Signals
from typing import Any

from antiphon.testing.raw import RawAnswer, RawHttp
from antiphon.testing.waiting import wait_until

HOST = "127.0.0.1"
ROOT = Path(__file__).parents[2]
SECRETS = (
    b"SELECT",
    b"INSERT",
    b"sqlalchemy",
    b"asyncpg",
    b"redis",
    b"Traceback",
    b".py",
    b"argon2",
    b"/tmp",
)
"""Words that would show what stands behind an answer."""


class AppProcess:
    """`python -m tests.faults.http_app serve …`, or another program, on settings from its environment."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def run(
        cls,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        flags: Sequence[str] = (),
        program: Sequence[str] = ("-m", "tests.faults.http_app"),
        within: Path = ROOT,
        passing: Sequence[int] = (),
    ) -> AsyncGenerator[AppProcess]:
        """Start `python program… serve flags…`; it is killed at the end of the block if it still runs.

        `passing` are descriptors that it inherits.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(*program, "serve", *flags),
            cwd=within,
            pass_fds=passing,
            env={
                **os.environ,
                "ANTIPHON_ENV": "test",
                "APP_HOME": str(folder),
                "PORT": "0",
                "SESSION_COOKIE_SECURE": "false",
                **(environ or {}),
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        running = cls(process)
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await running._reading

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def port(self) -> int:
        """The port it listens on; 0 until it does."""
        found = re.search(r"address +http://localhost:(\d+)", self.said)
        return int(found[1]) if found else 0

    async def listens(self) -> None:
        """Return when it listens."""
        await wait_until(lambda: self.port or self._process.returncode is not None, "it never listened", within=60.0)
        assert self.port, self.said

    def send(self, signal: Signals) -> None:
        """Send a signal to it."""
        self._process.send_signal(signal)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        await wait_until(lambda: self._process.returncode is not None, "it never ended", within=40.0)
        await self._reading
        assert self._process.returncode is not None
        return self._process.returncode

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[RawHttp]:
        """A connection to it, for a block."""
        async with RawHttp.to(HOST, self.port) as connection:
            yield connection

    async def ask(self, method: str, path: str, body: Any = None) -> RawAnswer:
        """Send one request on a connection of its own. The answer shows nothing of what stands behind it."""
        async with self.connect() as connection:
            return checked(await send(connection, method, path, body))

    async def status(self, method: str, path: str, body: Any = None) -> int:
        """The status of one request."""
        return (await self.ask(method, path, body)).status

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while line := await self._process.stderr.readline():
            self.said += line.decode()


async def send(connection: RawHttp, method: str, path: str, body: Any = None) -> RawAnswer:
    """Send one request on this connection."""
    raw = None if body is None else json.dumps(body).encode()
    return await connection.request(method, path, {"Content-Type": "application/json"} if raw else {}, raw)


def checked(answer: RawAnswer) -> RawAnswer:
    """The same answer, which shows nothing of what stands behind it."""
    for word in SECRETS:
        assert word not in answer.body, answer.body
    return answer
