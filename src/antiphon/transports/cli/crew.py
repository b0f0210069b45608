"""Keeps several processes serving one port: starts them, replaces those that die, renews and ends them together."""

# The first process serves nothing. It holds what only one may hold, and what has to outlive a worker: the listening
# sockets, the embedded store, and what ended workers have counted.
#
#   what happens                                  what is done
#   the first worker does not start               the crew ends: with 78 for a SetupError, which the worker has told
#   another one does not start at the beginning   the same
#   a worker dies                                 its place is taken again at once, on the same sockets, so that what
#                                                 waits in their queues waits on; one that dies young waits longer and
#                                                 longer between its lives
#   … and cannot start because of a SetupError    when nobody else serves, the crew ends with 78; else as above
#   SIGHUP                                        place by place: a new worker starts beside the old one, which drains
#                                                 once the new one serves; when the new one does not start, the old ones
#                                                 stay
#   SIGTERM, SIGINT                               all workers drain, together; the exit code is 0 when all of theirs are
#   the second of these                           all are killed, exit code 1
#   this process is killed                        the workers get SIGTERM (see stores/leash.py) and drain
#
# Settings are read anew by every worker that starts; what this process holds (the port, the number of workers) stays.
#
# The first worker starts alone: what is wrong with the set-up is told once, and migrations run once.

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from time import monotonic
from typing import Any, Protocol

from antiphon.core.log import Logger
from antiphon.services.metrics import Totals
from antiphon.transports.cli.channel import Ready
from antiphon.transports.cli.exits import SETUP
from antiphon.transports.cli.workers import Worker

LONGEST_PAUSE = 10.0
"""The most seconds between two lives of a place. Connections that the kernel gives to it wait as long."""


GOOD = (0, -signal.SIGTERM)
"""Exit codes of workers that ended as they were told, perhaps before they could listen to it."""


class Doors(Protocol):
    """Listening sockets: for each place the descriptors that its worker inherits."""

    @property
    def descriptors(self) -> list[list[int]]:
        """By place."""
        ...

    def leave(self) -> None:
        """Close them here; workers accept on."""
        ...


class _Place:
    """One place of the crew and who has it."""

    def __init__(self, number: int, descriptors: Sequence[int]) -> None:
        self.number = number
        self.descriptors = descriptors
        self.worker: Worker | None = None
        self.pause = 0.0
        self.taken_anew = asyncio.Event()
        # Held while a worker is being started for this place.
        self.lock = asyncio.Lock()


class Crew:
    """The workers of one application. `welcome` is called with what the first worker says once it serves.

    With `patient`, a worker that does not start ends nothing: its place waits to be renewed.
    """

    def __init__(self, doors: Doors, log: Logger, welcome: Callable[[Ready], None], *, patient: bool = False) -> None:
        self._doors = doors
        self._log = log
        self._welcome = welcome
        self._patient = patient
        self._places = [_Place(number, held) for number, held in enumerate(doors.descriptors, start=1)]
        self._workers: list[Worker] = []
        self._ended = Totals()
        self._ending = False
        self._outcome: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._renewing = asyncio.Lock()

    async def run(self) -> int:
        """Serve until a signal ends it; gives the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_end)
        loop.add_signal_handler(signal.SIGHUP, self._on_renew)
        self._begin(self._man())
        try:
            return await self._outcome
        finally:
            for task in self._tasks:
                task.cancel()
            for worker in self._workers:
                worker.kill()

    async def renew(self) -> bool:
        """Replace every worker, one after the other; whether all of them were."""
        async with self._renewing:
            for place in self._places:
                if self._ending or not await self._renew(place):
                    return False
        return True

    async def total(self) -> bytes:
        """What all workers have counted until now, as text; the ended ones with their last word."""
        await asyncio.gather(*(worker.count() for worker in self._workers))
        totals = self._ended.copy()
        for worker in self._workers:
            if worker.counts:
                totals.add(worker.counts, worker.number)
        return totals.render()

    # Starting

    async def _man(self) -> None:
        first, *others = self._places
        taken = await self._take(first) and all(await asyncio.gather(*map(self._take, others)))
        if taken and first.worker is not None and first.worker.ready is not None:
            self._welcome(first.worker.ready)
        if taken or self._patient:
            for place in self._places:
                self._begin(self._keep(place))
        elif not self._ending:
            self._give_up()

    async def _take(self, place: _Place) -> bool:
        """Start a worker for a place; whether it serves."""
        async with place.lock:
            return not self._ending and await self._start(place).served()

    def _start(self, place: _Place) -> Worker:
        worker = place.worker = self._start_beside(place)
        return worker

    def _start_beside(self, place: _Place) -> Worker:
        worker = Worker(place.number, len(self._places), place.descriptors, lambda: asyncio.create_task(self.total()))
        self._workers.append(worker)
        self._begin(self._bury(worker))
        self._log.info("crew.worker_started", worker=place.number, pid=worker.pid)
        return worker

    async def _bury(self, worker: Worker) -> None:
        """Wait for a worker's end, and keep what it has counted."""
        await worker.over.wait()
        self._workers.remove(worker)
        if worker.counts:
            self._ended.add(worker.counts)

    # Keeping

    async def _keep(self, place: _Place) -> None:
        """Have a place taken until the crew ends."""
        while True:
            worker = place.worker
            assert worker is not None  # noqa: S101  # it is kept once it was taken
            place.taken_anew.clear()
            await worker.over.wait()
            if self._ending:
                return
            if place.worker is not worker:
                continue
            if self._patient and worker.ready is None:
                await place.taken_anew.wait()
                continue
            if worker.exit_code == SETUP and not any(other.ready for other in self._workers):
                self._give_up()
                return
            await self._pause(place, worker)
            async with place.lock:
                if place.worker is worker and not self._ending:
                    self._start(place)

    async def _pause(self, place: _Place, worker: Worker) -> None:
        """Wait before a place is taken again: not at all, unless one after the other dies young."""
        lived = monotonic() - worker.started_at
        place.pause = 0.0 if lived > 10 * place.pause + 5 else min(2 * place.pause + 0.1, LONGEST_PAUSE)
        self._log.error(
            "crew.worker_gone", worker=place.number, pid=worker.pid, exit_code=worker.exit_code, pause=place.pause
        )
        await asyncio.sleep(place.pause)

    async def _renew(self, place: _Place) -> bool:
        async with place.lock:
            if self._ending:
                return False
            old, new = place.worker, self._start_beside(place)
            if not await new.served():
                if not self._ending:
                    self._log.error("crew.not_renewed", worker=place.number, exit_code=new.exit_code)
                return False
            place.worker = new
            place.taken_anew.set()
        if old is not None:
            old.end()
            await old.over.wait()
        return True

    # Ending

    def _on_renew(self) -> None:
        self._log.info("crew.renewing")
        self._begin(self.renew())

    def _on_end(self) -> None:
        if self._ending:
            for worker in self._workers:
                worker.kill()
            os._exit(1)
        self._log.info("crew.draining")
        self._begin(self._drain())

    def _give_up(self) -> None:
        """End because a worker cannot start."""
        codes = {place.worker.exit_code for place in self._places if place.worker is not None}
        self._begin(self._drain(SETUP if SETUP in codes else 1))

    async def _drain(self, code: int = 0) -> None:
        self._ending = True
        # With the workers' own copies closed as they drain, nothing is left that new connections could wait in.
        self._doors.leave()
        workers = list(self._workers)
        for worker in workers:
            worker.end()
        for worker in workers:
            await worker.over.wait()
        if not self._outcome.done():
            self._outcome.set_result(code or int(any(worker.exit_code not in GOOD for worker in workers)))

    def _begin(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self._outcome.done():
            self._outcome.set_exception(error)
