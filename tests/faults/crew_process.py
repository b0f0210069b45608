"""The crew of the suffering application: its first process, and the workers that answer for it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from antiphon.testing.raw import BrokenAnswer
from antiphon.testing.waiting import wait_until
from tests.faults.http_process import AppProcess

PATIENCE = 120.0
"""Seconds for what takes several starts of a process, on a machine that has other things to do."""

PROGRAM = ("-m", "tests.faults.crew_app")
COUNTED = re.compile(
    rb'^antiphon_calls_total\{action="process:view",outcome="OK",transport="http"\} (\S+)$', re.MULTILINE
)


def crew(
    folder: Path, environ: Mapping[str, str] | None = None, *flags: str, program: Sequence[str] = PROGRAM
) -> AbstractAsyncContextManager[AppProcess]:
    """`serve flags…` of the crew's application."""
    folder.mkdir(exist_ok=True)
    return AppProcess.run(folder, environ, flags=flags, program=program)


@asynccontextmanager
async def serving_crew(
    folder: Path, workers: int = 3, environ: Mapping[str, str] | None = None
) -> AsyncGenerator[AppProcess]:
    """A crew that serves."""
    async with crew(folder, environ, "--workers", str(workers)) as app:
        await app.listens()
        yield app


async def who_answers(app: AppProcess) -> int:
    """The process that answers on a new connection."""
    answer = await app.ask("GET", "/api/process")
    assert answer.status == 200
    return json.loads(answer.body)["pid"]


async def who_answers_if_any(app: AppProcess) -> int:
    """The same while processes die: 0 when the one that was asked did."""
    try:
        return await who_answers(app)
    except (BrokenAnswer, ConnectionResetError):
        return 0


async def all_workers(app: AppProcess, count: int, *, without: frozenset[int] = frozenset()) -> frozenset[int]:
    """The processes that answer, once there are so many, apart from these."""
    found: set[int] = set()

    async def complete() -> bool:
        found.add(await who_answers_if_any(app))
        return len(found - without - {0}) == count

    await wait_until(complete, f"there were never {count} workers", within=PATIENCE)
    return frozenset(found - without - {0})


async def counted(app: AppProcess) -> float:
    """The calls of `process:view` that a scrape shows."""
    answer = await app.ask("GET", "/metrics")
    assert answer.status == 200, answer
    return shown_in(answer.body)


def shown_in(text: bytes) -> float:
    """The same in the text of a scrape."""
    (found,) = COUNTED.findall(text)
    return float(found)


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return not Path("/proc/self").exists()
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")
