"""`serve`: the application until a signal ends it, in this process or in several."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable, Collection, Coroutine, Mapping
from typing import Any, NamedTuple

import uvloop

from antiphon.core.app import App
from antiphon.core.errors import SetupError
from antiphon.core.heap import settle
from antiphon.core.log import Logger
from antiphon.core.runtime import Runtime
from antiphon.transports.cli.channel import Ready
from antiphon.transports.cli.checking import refuse_dangers
from antiphon.transports.cli.crew import Crew
from antiphon.transports.cli.exits import SETUP
from antiphon.transports.cli.ground import Ground, on_ground
from antiphon.transports.cli.place import Membership, Place
from antiphon.transports.cli.printing import print_error
from antiphon.transports.cli.reloading import Watch, python_roots
from antiphon.transports.cli.workers import same_command

type Greet = Callable[[Runtime], list[str]]
"""What an application says on the terminal once it serves."""


LAST_SECONDS = 1.0
"""How long what still runs after everything was closed has to end, before the process leaves without it."""


class Wishes(NamedTuple):
    """What the command line asks for: settings as environment variables, which stand above the real ones, and more."""

    variables: Mapping[str, str]
    reload: bool = False
    listen: bool | Collection[str] = True
    """The transports that take calls: all of them, or those of these names."""

    def environ(self) -> dict[str, str]:
        """The environment with the wishes in it."""
        # A variable that names a file for the same setting would contradict the flag.
        kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in self.variables}
        return {**kept, **self.variables}


def serve(app: App, greet: Greet, wishes: Wishes) -> int:
    """Serve until SIGTERM or SIGINT; gives the exit code."""
    place = Place.take()
    environ = wishes.environ()
    if place is not None:
        return _run(_serve(app, greet, environ, wishes.listen, Membership(place)))
    refusal = None if wishes.reload else _run(refuse_dangers(app, environ))
    if refusal is not None:
        return _tell(app, refusal)
    try:
        ground = Ground.of(app, environ)
    except Exception as error:
        if not wishes.reload:
            if isinstance(error, SetupError):
                return _tell(app, error)
            raise
        return _run(_start_again(app, error))
    if wishes.reload or ground.workers > 1:
        return _run(_serve_crew(ground, reload=wishes.reload))
    return _run(_serve(app, greet, environ, wishes.listen, None))


def work(app: App, greet: Greet, wishes: Wishes) -> int:
    """Work through jobs until SIGTERM or SIGINT, in this process alone; gives the exit code."""
    if not any(transport.name == "worker" for transport in app.transports):
        return _tell(app, SetupError(f"{app.name} has no transport that runs jobs. Add Worker() to it."))
    environ = wishes.environ()
    refusal = _run(refuse_dangers(app, environ))
    if refusal is not None:
        return _tell(app, refusal)
    return _run(_serve(app, greet, environ, wishes.listen, None))


def _run[T](work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


# In this process


class _Ending:
    """When this process ends, and with which code."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.code = 0

    def on_signal(self) -> None:
        """The first signal begins the end; the second does not wait for it."""
        if self.began.is_set():
            os._exit(1)
        self.began.set()

    def fail(self, reason: str) -> None:
        """End because this process is of no more use; it leaves with 1, so that it is started anew."""
        self.code = 1
        _say([f"The process ends: {reason}"])
        self.began.set()


async def _serve(
    app: App,
    greet: Greet,
    environ: Mapping[str, str],
    listen: bool | Collection[str],  # noqa: FBT001  # as the application takes it
    membership: Membership | None,
) -> int:
    ending = _Ending()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.on_signal)
    if membership is not None:
        # SIGHUP is for the first process of the crew.
        loop.add_signal_handler(signal.SIGHUP, lambda: None)
        await membership.begin()
        app.values = (*app.values, membership.member)
    try:
        runtime = await app.start(environ=environ, listen=listen)
    except SetupError as error:
        return _tell(app, error)
    runtime.ask_to_end = ending.fail
    settle()
    if membership is None:
        _say(greet(runtime))
    else:
        membership.serves(greet(runtime), python_roots())
    await ending.began.wait()
    runtime.log.info("app.draining")
    await app.stop()
    if membership is not None:
        await membership.end()
    await _leave_behind(runtime, ending.code)
    return ending.code


async def _leave_behind(runtime: Runtime, code: int) -> None:
    """Leave at once when something does not end: a loop would wait for its tasks for ever."""
    left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    for task in left:
        task.cancel()
    if left and (await asyncio.wait(left, timeout=LAST_SECONDS))[1]:
        runtime.log.error("app.left_behind", count=len(left))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


# In several


async def _serve_crew(ground: Ground, *, reload: bool) -> int:
    if ground.shareable is None:
        return _tell(ground.app, SetupError(f"{ground.app.name} has no transport that listens. Add Http() to it."))
    watch = Watch(python_roots(), ground.app.folder) if reload else None

    def welcome(ready: Ready) -> None:
        if watch is None:
            further = f"workers   {copies} processes; SIGHUP renews them one by one"
        else:
            watch.add(ready.roots)
            further = f"reload    on changes of {watch.summary()}"
        _say([*ready.greeting, f"  {further}"])

    copies = 1 if reload else ground.workers
    try:
        async with on_ground(ground, ground.shareable, copies) as (doors, log):
            crew = Crew(doors, log, welcome, patient=reload)
            if watch is None:
                return await crew.run()
            reloading = asyncio.create_task(_reload(crew, watch, log))
            try:
                return await crew.run()
            finally:
                reloading.cancel()
    except SetupError as error:
        return _tell(ground.app, error)


async def _reload(crew: Crew, watch: Watch, log: Logger) -> None:
    """Renew the crew whenever a file changes."""
    while True:
        changes = await watch.changed()
        log.info("crew.reloading", changed=changes)
        if not await crew.renew():
            _say(["It does not start. Waiting for the next change."])


async def _start_again(app: App, error: Exception) -> int:
    """Tell why the program cannot even be read, and begin anew when a file has changed."""
    if isinstance(error, SetupError):
        _tell(app, error)
    else:
        traceback.print_exception(error)
    # Looked at before it is said: whoever reads it may have mended the file by the time that they have.
    watch = Watch(python_roots(), app.folder)
    _say(["It does not start. Waiting for a change."])
    await watch.changed()
    # What was imported stays as it was, so nothing less than a new process will do.
    command = same_command()
    os.execv(command[0], command)  # noqa: S606  # the command that has started this process


def _say(lines: list[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201  # this is for the person who started it


def _tell(app: App, error: SetupError) -> int:
    print_error(error, "", app.clock.now(), "table")
    return SETUP
