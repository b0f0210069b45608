"""Processes and stores die while messages are on their way: none is lost, and a repeated one is no second one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copytree, rmtree

import pytest

from antiphon.services.streams.queue import Queues
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.core.stage import Lines, Pieces
from tests.services.outbox_stage import Sheets, app_with, forgets, module, rows_left, write
from tests.services.test_streams_outbox import outbox_of, sheets_of

LOG = "appendonlydir"
"""Where Valkey keeps its log, in its folder."""

QUICK = {"OUTBOX_CHECK_TIME": "100ms", "REDIS_COMMAND_TIME": "500ms"}
"""For what an application finds out by looking now and then."""


@pytest.fixture
async def server() -> AsyncIterator[ValkeyServer]:
    """A Valkey of the test's own, that keeps its data as the embedded one does."""
    async with ValkeyServer(arguments=["--appendfsync", "everysec"]) as running:
        yield running


@pytest.fixture
def environ(database_url: str, server: ValkeyServer) -> dict[str, str]:
    """Settings for an application on engines of its own."""
    return {**QUICK, "DATABASE_URL": database_url, "REDIS_URL": server.url, "REDIS_PREFIX": "t"}


async def jobs_in(app: TestApp) -> int:
    """How many jobs are in the queue."""
    return (await app.runtime.require(Queues, "the test").depths("mail")).unfinished


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_killed_process_leaves_its_jobs_to_the_next(
    environ: dict[str, str], tmp_path: Path, moment: str
) -> None:
    """Killed between COMMIT and sending, or between sending and deleting: each job is there once."""
    command = [sys.executable, "-m", "tests.services.outbox_process", str(tmp_path / "1"), moment, "20"]
    process = await asyncio.create_subprocess_exec(*command, env={**os.environ, **environ})
    assert await process.wait() == -9

    environ["OUTBOX_LEASE_TIME"] = "3s"
    async with TestApp.start(app_with(module), tmp_path / "2", environ) as app:
        await forgets(app)

        assert await jobs_in(app) == 20


async def test_a_write_succeeds_while_the_store_is_away(
    environ: dict[str, str], tmp_path: Path, server: ValkeyServer
) -> None:
    """Its message arrives when the store is back."""
    async with TestApp.start(app_with(module), tmp_path, environ) as app:
        await app.call(write, "m1")
        await sheets_of(app).receives("m1")
        await server.kill()

        await app.call(write, "m2")
        assert "sheet:a" in await rows_left(app)
        await server.start()

        await forgets(app)
        await sheets_of(app).has("m1", "m2")


async def test_a_hanging_store_keeps_nobody(environ: dict[str, str], tmp_path: Path, server: ValkeyServer) -> None:
    """While it is paused transactions commit, and their messages arrive when it goes on."""
    async with TestApp.start(app_with(module), tmp_path, environ) as app:
        await app.call(write, "m1")
        await sheets_of(app).receives("m1")
        server.pause()

        await asyncio.gather(*(app.call(write, f"m{number}") for number in range(2, 12)))
        server.resume()

        await forgets(app)
        await sheets_of(app).has(*(f"m{number}" for number in range(1, 12)))


async def test_what_the_store_had_not_on_its_disk_is_sent_again(
    environ: dict[str, str], tmp_path: Path, server: ValkeyServer
) -> None:
    """It took a message, lost power before that was safe, and came back without it."""
    async with TestApp.start(app_with(module), tmp_path / "app", environ) as app:
        await app.call(write, "m1")
        await sheets_of(app).has("m1")
        await forgets(app)
        copytree(server.folder / LOG, tmp_path / LOG)
        sheets_of(app).taken = server.kill

        await app.call(write, "m2")
        await wait_until(lambda: not server.running, "the store never took the message")
        # What a loss of power does to the part of the log that was not on the disk.
        rmtree(server.folder / LOG)
        copytree(tmp_path / LOG, server.folder / LOG)
        sheets_of(app).taken = None
        await server.start()

        await sheets_of(app).has("m1", "m2")
        await forgets(app)


async def test_a_store_that_comes_back_empty_is_reported_once(
    environ: dict[str, str], tmp_path: Path, server: ValkeyServer
) -> None:
    """By one of all processes, and what is in the outbox is sent to it."""
    lines = [Lines(), Lines()]
    apps = [app_with(module, Pieces(each.service)) for each in lines]
    async with (
        TestApp.start(apps[0], tmp_path / "1", environ) as one,
        TestApp.start(apps[1], tmp_path / "2", environ) as two,
    ):
        await one.call(write, "m1")
        await sheets_of(one).receives("m1")
        await forgets(one)
        await marked(one)
        await marked(two)

        await one.runtime.require(Sheets, "the test").store.client.execute_command("FLUSHALL")
        await two.call(write, "m2")

        await wait_until(
            lambda: outbox_of(one).counts.losses + outbox_of(two).counts.losses == 1, "the loss was never reported"
        )
        await sheets_of(two).has("m2")
        await marked(one)
        await marked(two)
        assert sum(len(each.of("streams.store_emptied")) for each in lines) == 1


async def test_an_empty_store_is_found_by_the_next_start(
    environ: dict[str, str], tmp_path: Path, server: ValkeyServer
) -> None:
    """Nobody was there when it happened; the database remembers which store it was."""
    async with TestApp.start(app_with(module), tmp_path / "1", environ) as app:
        await marked(app)
        await app.runtime.require(Sheets, "the test").store.client.execute_command("FLUSHALL")

    async with TestApp.start(app_with(module), tmp_path / "2", environ) as app:
        await wait_until(lambda: outbox_of(app).counts.losses == 1, "the loss was never reported")


async def test_a_store_seen_for_the_first_time_is_no_loss(environ: dict[str, str], tmp_path: Path) -> None:
    """There was nothing that it could have lost."""
    async with TestApp.start(app_with(module), tmp_path, environ) as app:
        await marked(app)

        assert outbox_of(app).counts.losses == 0


async def marked(app: TestApp) -> None:
    """Wait until this process has looked at the store once more."""
    before = outbox_of(app).counts.receipts
    await wait_until(lambda: outbox_of(app).counts.receipts > before + 1, "the store was never asked for a receipt")
