"""Olympus while the store is away: an event that was lost by a process that has ended is told by one that serves."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from antiphon.client import Reset
from antiphon.testing.app import HttpClient
from antiphon.testing.engines import ValkeyServer
from tests.faults.http_process import ROOT, AppProcess
from tests.olympus_stage import PASSWORD

OLYMPUS = ("-c", "from olympus.app import main; main()")
ADA = {"name": "Ada", "email": "ada@example.com", "password": PASSWORD}


async def test_what_a_command_could_not_show_is_told_to_who_watches(tmp_path: Path) -> None:
    """The command posts while the store is away and has ended when it is back; the watcher of a server is reset."""
    async with ValkeyServer(arguments=["--appendfsync", "always"]) as store:
        environ = {
            "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'olympus.db'}",
            "REDIS_URL": store.url,
            "WORKER_SCHEDULES": "false",
            "CHANNELS_PUBLISH_TIME": "300ms",
            # However busy the machine is, the command has time to note what it has lost.
            "CHANNELS_KEEP_TIME": "20s",
            "DATABASE_WAIT": "20s",
        }
        async with AppProcess.run(tmp_path, environ, program=OLYMPUS) as served:
            await served.listens()
            client = HttpClient(served.port)
            assert (await client.put("/api/user", ADA)).status == 201
            assert (await client.put("/api/session", ADA)).status == 201
            async with client.live() as socket, socket.watch("messages") as events:
                await store.kill()
                assert await command(tmp_path, environ, "message:create", "--body", "hi", "--as", ADA["email"]) == 0
                await store.start()

                async with asyncio.timeout(30):
                    while not isinstance(await anext(events), Reset):
                        pass
            listed = await client.get("/api/messages/list")
            assert [each["body"] for each in listed.json["messages"]] == ["hi"]


async def command(folder: Path, environ: dict[str, str], *words: str) -> int | None:
    """Run a command of Olympus to its end; its exit code."""
    own = {"ANTIPHON_ENV": "test", "APP_HOME": str(folder), **environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *OLYMPUS, *words, cwd=ROOT, env={**os.environ, **own}, stdout=asyncio.subprocess.DEVNULL
    )
    return await process.wait()
