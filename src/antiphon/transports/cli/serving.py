"""`serve`: the application until a signal ends it. The first signal drains, the second exits at once with 1."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable

import uvloop

from antiphon.core.app import App
from antiphon.core.errors import SetupError
from antiphon.core.runtime import Runtime
from antiphon.transports.cli.exits import SETUP
from antiphon.transports.cli.printing import print_error

type Greet = Callable[[Runtime], list[str]]
"""What an application says on the terminal once it serves."""


def serve(app: App, greet: Greet) -> int:
    """Serve until SIGTERM or SIGINT; gives the exit code."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(app, greet))


async def _serve(app: App, greet: Greet) -> int:
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, ending)
    try:
        runtime = await app.start(listen=True)
    except SetupError as error:
        print_error(error, "", app.clock.now(), "table")
        return SETUP
    for line in greet(runtime):
        print(line, file=sys.stderr, flush=True)  # noqa: T201  # this is for the person who started it
    await ending.wait()
    runtime.log.info("app.draining")
    await app.stop()
    return 0


def _on_signal(ending: asyncio.Event) -> None:
    if ending.is_set():
        os._exit(1)
    ending.set()
