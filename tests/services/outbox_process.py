"""A process that dies with messages on their way: `folder before|after count`, the engines in its environment.

`before`: after its commits, and before anything is sent. `after`: right after the first sending.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from signal import SIGKILL

from antiphon import Outbox
from antiphon.services.streams.message import decode_job
from antiphon.services.streams.outbox import Row
from antiphon.services.streams.queue import Queues
from antiphon.testing.app import TestApp
from tests.services.outbox_stage import app_with, module, queue_jobs


async def run(folder: Path, moment: str, count: int) -> None:
    """Commit so many jobs, and die at that moment."""
    async with TestApp.start(app_with(module), folder, dict(os.environ), listen=moment == "after") as app:
        queues = app.runtime.require(Queues, "the test")

        async def send_and_die(rows: Sequence[Row]) -> None:
            await queues.enqueue([decode_job(row.message) for row in rows])
            os.kill(os.getpid(), SIGKILL)

        app.runtime.require(Outbox, "the test").deliver("jobs", send_and_die)
        await app.call(queue_jobs, count)
        if moment == "before":
            os.kill(os.getpid(), SIGKILL)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
