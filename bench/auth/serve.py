"""The child processes of the bench (python -m bench.auth.serve): the server, and hashing with nothing around it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time

import uvloop

from antiphon import App, Module, Passwords, Secret
from bench.http.serve import MISSING, end_with_parent

PASSWORD = "four lanterns over still water"  # noqa: S105  # of people who are made up


def main() -> int:
    """Serve until ended, or hash for so many seconds and say how often."""
    parser = argparse.ArgumentParser(description="One side of the bench; started by bench.auth, not by hand.")
    parser.add_argument("--core", type=int, required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--store", default="")
    parser.add_argument("--folder", default="")
    parser.add_argument("--hash", type=float, default=0.0)
    options = parser.parse_args()
    end_with_parent()
    os.sched_setaffinity(0, {options.core})
    if options.hash:
        print(uvloop.run(hashes_a_second(options.hash)))
        return 0
    try:
        from bench.auth.server import serve_on  # noqa: PLC0415  # what is missing there is told by the exit status
    except ImportError as error:
        print(str(error).split(" (")[0], file=sys.stderr)
        return MISSING
    serve_on(options.port, options.store, options.folder)
    return 0


async def hashes_a_second(seconds: float) -> float:
    """How many passwords the pool checks in a second when it has nothing else to do."""
    app = App("bench", modules=[Module(__name__, needs=[Passwords])], transports=[])
    async with app.running(environ={"LOG_LEVEL": "error"}) as runtime:
        passwords = runtime.require(Passwords, "the bench")
        given = Secret(PASSWORD)
        hashed = await passwords.hash(given)
        began, checked = time.perf_counter(), 0

        async def check() -> None:
            nonlocal checked
            while time.perf_counter() - began < seconds:
                await passwords.verify(hashed, given)
                checked += 1

        # More than there can be threads, so that none of them ever waits for the loop.
        await asyncio.gather(*(check() for _ in range(8)))
        return checked / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
