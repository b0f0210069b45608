"""Minutes of chaos (`make chaos`): workers and the store are killed at random, and a checker looks at what is left."""

# What happens, from one seed:
#
#   producers   queue jobs directly and through commits; what was acknowledged stands in a journal, synced to the disk
#   workers     three, each killed (kill -9), paused past its lease or drained every few seconds, and started anew;
#               meanwhile the clock of its node steps by up to a day, ahead and back (where there is a C compiler)
#   the store   ended with TERM or kill -9 now and then, or paused; its file is synced at every write ("always"), since
#               without it the last second of what was queued directly may be lost, which is said
#
# Then everything is left in peace until nothing is unfinished, and `chaos_checker.py`, which shares no code with any of
# this, compares the journals with the database and the store.

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from secrets import randbits
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from time import monotonic

from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.faults.chaos_checker import check
from tests.faults.shifted_clock import ShiftedClock
from tests.faults.streams_process import Fleet
from tests.faults.streams_stores import PREFIX, Ground, ServerGround

WORKERS = 3
PRODUCERS = 2
QUEUES = ("default", "ticks")
DAY = 86_400


async def torment_worker(fleet: Fleet, clock: ShiftedClock | None, random: Random, until: float, say: Say) -> None:
    """Run a worker, and end it again and again in one of several ways."""
    while monotonic() < until:
        async with fleet.runs("worker", environ=clock.environ if clock is not None else None) as worker:
            for _ in range(2):
                if clock is not None:
                    step = random.randint(-DAY, DAY)
                    clock.shift(step)
                    say(f"worker {worker.pid}: its clock is {step} s off")
                await asyncio.sleep(random.uniform(1, 6))
            how = random.choice(("kill", "kill", "pause", "drain"))
            say(f"worker {worker.pid}: {how}")
            if how == "pause":
                worker.send(SIGSTOP)
                await asyncio.sleep(random.uniform(1, 5))
                worker.send(SIGCONT)
                await asyncio.sleep(random.uniform(0, 3))
            if worker.process.returncode is not None:
                say(f"worker {worker.pid} ended by itself with {worker.process.returncode}: {worker.said[-2000:]}")
            worker.send(SIGTERM if how == "drain" else SIGKILL)
            if how == "drain":
                await worker.ended()


async def torment_store(ground: Ground, random: Random, until: float, say: Say) -> None:
    """End or pause the store again and again."""
    while monotonic() < until:
        await asyncio.sleep(random.uniform(5, 20))
        how = random.choice(("TERM", "kill", "pause"))
        say(f"store: {how}")
        if how == "pause":
            ground.pause()
            await asyncio.sleep(random.uniform(0.5, 4))
            ground.resume()
        else:
            away = random.uniform(0, 3)
            await ground.restart(SIGTERM if how == "TERM" else SIGKILL, lambda away=away: asyncio.sleep(away))


def clock_in(folder: Path) -> ShiftedClock | None:
    """A clock that can be moved, or None where there is nothing to build it with."""
    if shutil.which("cc") is None:
        return None
    folder.mkdir()
    return ShiftedClock(folder)


class Say:
    """Tells what happens, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = monotonic()

    def __call__(self, what: str) -> None:
        sys.stdout.write(f"{monotonic() - self._began:7.1f}  {what}\n")
        sys.stdout.flush()


async def run(seconds: float, seed: int) -> Sequence[str]:
    """The whole of it; gives what is wrong in the end."""
    random, say = Random(seed), Say()
    say(f"seed {seed}, {seconds:g} s")
    with tempfile.TemporaryDirectory(prefix="antiphon-chaos-") as name:
        folder = Path(name)
        async with ValkeyServer(arguments=("--appendfsync", "always")) as server:
            ground = ServerGround(server)
            fleet = Fleet(folder, ground, {})
            # The tables are made before many processes want to make them.
            async with fleet.here():
                say("ready")
            until = monotonic() + seconds
            async with AsyncExitStack() as stack:
                producers = [
                    await stack.enter_async_context(fleet.runs(f"{number}", program="tests.faults.chaos_producer"))
                    for number in range(1, PRODUCERS + 1)
                ]
                async with asyncio.TaskGroup() as group:
                    for number in range(WORKERS):
                        clock = clock_in(folder / f"clock-{number}")
                        group.create_task(torment_worker(fleet, clock, Random(random.random()), until, say))
                    group.create_task(torment_store(ground, Random(random.random()), until, say))
                for producer in producers:
                    producer.send(SIGTERM)
                    await producer.ended()
            say("peace")
            async with fleet.worker(), fleet.worker():
                await _until_finished(fleet)
            faults = await check(folder, server.url, PREFIX, say)
    return faults


async def _until_finished(fleet: Fleet) -> None:
    """Wait until nothing is unfinished but ticks to come."""

    async def finished() -> bool:
        left = [await fleet.ground.ask("HGET", f"{PREFIX}:{{jobs.{queue}}}:meta", "unfinished") for queue in QUEUES]
        return not any(int(each or 0) for each in left) and not await _rows(fleet)

    await wait_until(finished, "some jobs never came to an end", within=180.0)


async def _rows(fleet: Fleet) -> int:
    return await asyncio.to_thread(fleet.outbox_rows)


def main() -> int:
    """Run from the command line; the exit code is 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faults = asyncio.run(run(given.minutes * 60, given.seed or randbits(32)))
    for fault in faults:
        sys.stdout.write(f"BROKEN   {fault}\n")
    sys.stdout.write(f"{len(faults)} promises were broken\n" if faults else "every promise was kept\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
