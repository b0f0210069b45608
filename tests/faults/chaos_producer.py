"""Queues jobs while everything around it dies; its journal says what was acknowledged. For `make chaos`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from random import Random
from signal import SIGTERM
from typing import IO

from antiphon import CallError, Defect
from antiphon.core.runtime import Runtime
from antiphon.testing.app import again
from tests.faults.streams_app import app, effect, keep_order
from tests.faults.streams_process import call_in

EACH = 10_000_000
"""How many numbers each producer has."""


async def produce(folder: Path, producer: int) -> None:
    """Queue jobs until somebody says that it is enough."""
    enough = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SIGTERM, enough.set)
    random, number = Random(producer), producer * EACH
    copy = again(app, folder)
    with (folder / f"acknowledged-{producer}").open("a") as journal:
        async with copy.running(environ=dict(os.environ), listen=frozenset(("http",))) as runtime:
            while not enough.is_set():
                number += 1
                try:
                    await _one(runtime, number, journal, commits=random.random() < 0.5)
                except (CallError, Defect):
                    # Nobody was told that it stands; it may.
                    await runtime.clock.sleep(0.1)
                await runtime.clock.sleep(random.uniform(0, 0.06))


async def _one(runtime: Runtime, number: int, journal: IO[str], *, commits: bool) -> None:
    ctx = call_in(runtime)
    if commits:
        runner = runtime.runner("order:keep")
        job_id = await runner.run(ctx, lambda given: keep_order.call(*given).inputs, ((number,), {}))
    else:
        job_id = (await ctx.later(effect, number)).id
    journal.write(f"{job_id}\t{number}\t{'commit' if commits else 'direct'}\n")
    journal.flush()
    os.fsync(journal.fileno())


if __name__ == "__main__":
    asyncio.run(produce(Path(os.environ["APP_HOME"]), int(sys.argv[1])))
