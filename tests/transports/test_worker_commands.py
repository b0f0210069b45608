"""`worker` and `serve` as processes: what they take on, and how they end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM
from typing import Any

import msgspec
import pytest

from antiphon.core.clock import SystemClock
from antiphon.core.log import Silent
from antiphon.services.streams.message import CallerRef
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.registry import Registry
from antiphon.services.streams.settings import StreamSettings
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.streams_stage import message

pytestmark = pytest.mark.lasting_keys("{jobs.*}:*", "{known}:*")

PATIENCE = 60.0
"""Seconds for what takes the start of a process, on a machine that has other things to do."""

ROOT = Path(__file__).parents[2]


class Desk:
    """Queues jobs for processes, and looks at what became of them."""

    def __init__(self, folder: Path, url: str, store: Store) -> None:
        self.folder = folder
        self.url = url
        self.prefix = store.prefix
        self.queues = Queues(store, StreamSettings(), SystemClock(), Silent())

    async def put(self, action: str, name: str, queue: str = "default", attempts: int = 5) -> str:
        """Queue a job that leaves a sign."""
        job = message(
            queue,
            action=action,
            schema="",
            inputs=msgspec.Raw(msgspec.json.encode({"name": name})),
            caller=CallerRef("system", "", "", "cli"),
            request_id="",
            attempts=attempts,
        )
        return (await self.queues.enqueue([job]))[0].id

    async def signed(self, name: str) -> None:
        """Wait until a job has left this sign."""
        await wait_until((self.folder / name).exists, f"no job ever left {name}", within=PATIENCE)

    async def state(self, job_id: str) -> str:
        """Where a job stands."""
        record = await self.queues.view(job_id)
        return "" if record is None else record.state

    @asynccontextmanager
    async def process(
        self, *words: str, program: str = "tests.transports.worker_app", **environ: str
    ) -> AsyncGenerator[asyncio.subprocess.Process]:
        """The application's command line with these words; killed at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", program, *words),
            cwd=ROOT,
            env={
                **os.environ,
                "ANTIPHON_ENV": "test",
                "APP_HOME": str(self.folder),
                "HTTP_PORT": "0",
                "REDIS_URL": self.url,
                "REDIS_PREFIX": self.prefix,
                "SESSION_COOKIE_SECURE": "false",
                **environ,
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@pytest.fixture
def desk(tmp_path: Path, valkey: ValkeyServer, store: Store) -> Desk:
    """A place to queue jobs at."""
    return Desk(tmp_path, valkey.url, store)


async def test_a_worker_runs_jobs_and_leaves_in_good_order(desk: Desk) -> None:
    """`worker` works through what is queued, and ends with 0 at SIGTERM."""
    job_id = await desk.put("sign:leave", "done")
    async with desk.process("worker") as worker:
        await desk.signed("done")
        worker.send_signal(SIGTERM)

        assert await worker.wait() == 0
    assert await desk.state(job_id) == "done"


async def test_a_worker_takes_what_its_flags_say(desk: Desk) -> None:
    """`--queues` names the queues that it serves alone, `--slots` how much at once."""
    other = await desk.put("sign:leave", "other", queue="other")
    await desk.put("sign:leave", "mail", queue="mail")
    async with desk.process("worker", "--queues", "mail,search", "--slots", "7") as worker:
        await desk.signed("mail")
        records: list[Any] = []

        async def listed() -> bool:
            records[:] = await Registry(desk.queues).workers()
            return bool(records)

        await wait_until(listed, "the worker was never listed")
        assert (records[0].queues, records[0].slots, records[0].pid) == (("mail", "search"), 7, worker.pid)
    assert await desk.state(other) == "ready"


async def test_a_running_job_goes_back_when_the_worker_ends(desk: Desk) -> None:
    """It has `worker.drain`, then it is ready for another, and nothing was counted."""
    job_id = await desk.put("sign:hold", "held")
    async with desk.process("worker", WORKER_DRAIN="100ms") as worker:
        await desk.signed("held")
        worker.send_signal(SIGTERM)

        assert await worker.wait() == 0
    record = await desk.queues.view(job_id)
    assert record is not None
    assert (record.state, record.crashes, record.errors) == ("ready", 0, ())


async def test_a_second_signal_ends_a_worker_at_once(desk: Desk) -> None:
    """It does not wait for its jobs, and leaves with 1."""
    await desk.put("sign:hold", "held")
    async with desk.process("worker", LOG_LEVEL="info") as worker:
        await desk.signed("held")
        worker.send_signal(SIGTERM)
        assert worker.stderr is not None
        while b"app.draining" not in await asyncio.wait_for(worker.stderr.readline(), PATIENCE):
            pass
        worker.send_signal(SIGTERM)

        assert await worker.wait() == 1


async def test_a_worker_full_of_stuck_jobs_ends_to_be_started_anew(desk: Desk) -> None:
    """Though they go on ignoring their end: it leaves with 1, and says why."""
    job_id = await desk.put("sign:ignore", "stuck", attempts=1)
    async with desk.process("worker", WORKER_MAX_STUCK="1", WORKER_UNDO_TIME="100ms") as worker:
        await desk.signed("stuck")
        _, said = await asyncio.wait_for(worker.communicate(), PATIENCE)

        assert worker.returncode == 1
        assert b"worker.max_stuck" in said
    assert await desk.state(job_id) == "dead"


@pytest.mark.parametrize(("flags", "state"), [((), "done"), (("--no-worker",), "ready")], ids=["with", "without"])
async def test_a_server_works_through_jobs_unless_it_is_told_not_to(
    desk: Desk, flags: tuple[str, ...], state: str
) -> None:
    """`serve` does both in one process, `serve --no-worker` leaves the jobs to others."""
    job_id = await desk.put("sign:leave", "done")
    async with desk.process("serve", *flags) as server:
        assert server.stderr is not None
        while b"address" not in await asyncio.wait_for(server.stderr.readline(), PATIENCE):
            pass

        async def stands() -> bool:
            return await desk.state(job_id) == state

        await wait_until(stands, f"the job was never {state}")
        server.send_signal(SIGTERM)
        assert await server.wait() == 0
    assert await desk.state(job_id) == state


async def test_each_process_of_a_crew_has_a_worker(desk: Desk) -> None:
    """`serve --workers 2` works in both."""
    async with desk.process("serve", "--workers", "2"):

        async def both() -> bool:
            return len({record.pid for record in await Registry(desk.queues).workers()}) == 2

        await wait_until(both, "there were never two workers", within=PATIENCE)


async def test_an_application_without_a_worker_says_what_to_add(desk: Desk) -> None:
    """`worker` ends with 78 and names the transport."""
    async with desk.process("worker", program="tests.faults.crew_app") as worker:
        _, said = await asyncio.wait_for(worker.communicate(), PATIENCE)

        assert worker.returncode == 78
        assert b"Add Worker() to it" in said
