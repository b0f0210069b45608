"""Workers of the suffering application as processes, the journal that they keep, and the jobs that they are given."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from itertools import count
from pathlib import Path
from signal import SIGCONT, SIGKILL, Signals
from typing import NamedTuple

from antiphon.core.caller import SYSTEM
from antiphon.core.context import Context
from antiphon.core.errors import Unavailable
from antiphon.core.job import JobState
from antiphon.core.runtime import Runtime
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import FINISHED, JobRecord
from antiphon.testing.app import BASE, again
from antiphon.testing.leftovers import lasting_keys
from antiphon.testing.waiting import wait_until
from tests.faults.forked import ForkedProcess
from tests.faults.streams_app import app
from tests.faults.streams_stores import PREFIX, Ground
from tests.services.tasks_stage import context

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds for what takes the start of a process, on a machine that has other things to do."""

BOUNDED = ("{jobs.*}:ready.*", "{jobs.*}:due", "{jobs.*}:lanes", "{jobs.*}:dead", "{jobs.*}:meta", "{known}*")
"""The keys without a lifetime that bounds of their own hold."""

LOGS = ("{events.*}:log",)

FAST = {
    "STREAMS_LEASE_TIME": "2s",
    "STREAMS_RENEW_TIME": "200ms",
    "STREAMS_CLAIM_TIME": "300ms",
    "STREAMS_BLOCK_TIME": "500ms",
    "STREAMS_UNKNOWN_WAIT": "300ms",
    "EVENTS_LEASE_TIME": "3s",
    "EVENTS_BLOCK_TIME": "500ms",
    "OUTBOX_LEASE_TIME": "3s",
    "OUTBOX_CHECK_TIME": "500ms",
}
"""Times at which a test sees leases run out."""


class Line(NamedTuple):
    """What one job did: a word, the job, a number, the machine's monotonic time, and the process."""

    word: str
    job: str
    number: int
    at: float
    pid: int


class WorkerProcess:
    """One process of the application, and what it says."""

    def __init__(self, process: Process | ForkedProcess, log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def said(self) -> str:
        """Its log until now."""
        return self.log.read_text("utf-8", errors="replace")

    async def listens(self) -> None:
        """Wait until it takes jobs."""
        await wait_until(
            lambda: "worker.listening" in self.said or self.process.returncode is not None,
            "it never listened",
            within=PATIENCE,
        )
        assert self.process.returncode is None, self.said

    def send(self, signal: Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.process.returncode is None:
            self.process.send_signal(signal)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


class Fleet:
    """The processes on one folder and one store."""

    def __init__(self, folder: Path, ground: Ground, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.ground = ground
        self.environ = {
            **BASE,
            **FAST,
            "APP_HOME": str(folder),
            "DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'app.db'}",
            "REDIS_PREFIX": PREFIX,
            "LOG_LEVEL": "info",
            **ground.environ,
            **environ,
        }
        self.allowed: tuple[str, ...] = (*BOUNDED, *LOGS)
        self._counter = count()

    @asynccontextmanager
    async def runs(
        self, *words: str, program: str = "tests.faults.streams_app", environ: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WorkerProcess]:
        """The application's command line with these words; killed at the end of the block if it still runs."""
        log = self.folder / f"log-{next(self._counter)}"
        outer = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        variables = {**outer, **self.environ, **(environ or {})}
        log.touch()
        if "LD_PRELOAD" in variables:
            # A clock of its own takes a process that begins from nothing.
            process = await _executed(program, words, variables, log)
        else:
            process = ForkedProcess.start(program, words, ROOT, variables, log)
        running = WorkerProcess(process, log)
        try:
            yield running
        finally:
            if process.returncode is None:
                process.send_signal(SIGCONT)
                process.send_signal(SIGKILL)
            await process.wait()
            if isinstance(process, ForkedProcess):
                process.close()

    @asynccontextmanager
    async def worker(self, *, environ: Mapping[str, str] | None = None) -> AsyncGenerator[WorkerProcess]:
        """A worker that takes jobs."""
        async with self.runs("worker", environ=environ) as worker:
            await worker.listens()
            yield worker

    async def command(self, *words: str, environ: Mapping[str, str] | None = None) -> int:
        """Run a command to its end; gives the exit code."""
        async with self.runs(*words, environ=environ) as process:
            return await process.ended()

    @asynccontextmanager
    async def here(self, *listen: str, environ: Mapping[str, str] | None = None) -> AsyncGenerator[Runtime]:
        """The application in this process, with these transports."""
        copy = again(app, self.folder)
        settings = {**self.environ, "LOG_LEVEL": "error", **(environ or {})}
        async with copy.running(environ=settings, listen=frozenset(listen) or False) as runtime:
            yield runtime

    def lines(self, *words: str) -> list[Line]:
        """The journal, or those lines of it."""
        try:
            text = (self.folder / "journal").read_text()
        except FileNotFoundError:
            return []
        # What stands behind the last line end is being written just now.
        whole = text[: text.rfind("\n") + 1].splitlines()
        found = [Line(word, job, int(n), float(at), int(pid)) for word, job, n, at, pid in map(_split, whole)]
        return [line for line in found if not words or line.word in words]

    async def sees(self, word: str, times: int = 1, *, within: float = PATIENCE) -> list[Line]:
        """Wait until the journal has so many lines of this word."""
        await wait_until(
            lambda: len(self.lines(word)) >= times, f"{word!r} never happened {times} times", within=within
        )
        return self.lines(word)

    def show(self, sign: str) -> None:
        """Give jobs the sign that they wait for."""
        (self.folder / sign).touch()

    def effects(self) -> dict[int, int]:
        """The counters that are committed, but for those of ticks, which are called by their time."""
        with closing(sqlite3.connect(self.folder / "app.db", timeout=10)) as database:
            found = database.execute("SELECT id, value FROM counters WHERE id < 1000000000000").fetchall()
        return dict(found)

    def all_effects(self) -> dict[int, int]:
        """The same with those of ticks."""
        with closing(sqlite3.connect(self.folder / "app.db", timeout=10)) as database:
            return dict(database.execute("SELECT id, value FROM counters").fetchall())

    def outbox_rows(self) -> int:
        """How many messages wait to be sent."""
        with closing(sqlite3.connect(self.folder / "app.db", timeout=10)) as database:
            return database.execute("SELECT count(*) FROM outbox").fetchone()[0]

    async def leftovers(self) -> list[str]:
        """The keys without a lifetime that nothing bounds."""
        if self.ground.clustered:
            return []
        found = await lasting_keys(self.ground.url, PREFIX, allowed=self.allowed)
        return [key for key in found if not await self._is_unfinished(key)]

    async def _is_unfinished(self, key: str) -> bool:
        """Ticks and events go on until the last worker is killed; a job has no lifetime while it is unfinished."""
        if ":job:" not in key:
            return False
        state = await self.ground.ask("HGET", key, "state")
        return state is not None and state.decode() not in FINISHED


async def _executed(program: str, words: Sequence[str], environ: Mapping[str, str], log: Path) -> Process:
    with log.open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", program, *words), cwd=ROOT, env=environ, stdout=output, stderr=output
        )


def _split(line: str) -> Sequence[str]:
    return line.split("\t") if line else ("", "", "0", "0", "0")


def call_in(runtime: Runtime) -> Context:
    """A call of the application itself, to queue jobs in."""
    return context(runtime, SYSTEM)


def queues_of(runtime: Runtime) -> Queues:
    """The queues of a running application."""
    return runtime.require(Queues, "the test")


async def record_of(runtime: Runtime, job_id: str) -> JobRecord:
    """A job as it stands."""
    found = await queues_of(runtime).view(job_id)
    assert found is not None, f"the job {job_id} is gone"
    return found


async def reaches(runtime: Runtime, job_id: str, state: JobState, *, within: float = PATIENCE) -> JobRecord:
    """Wait until a job is in this state."""

    async def there() -> bool:
        try:
            return (await record_of(runtime, job_id)).state == state
        except Unavailable:
            # A store that was ended takes a moment until all of it is back.
            return False

    await wait_until(there, f"the job was never {state}", within=within)
    return await record_of(runtime, job_id)
