"""The threads that hash: few of them, a short queue, and a quick no beyond it, so that a flood costs others nothing."""

# A place is what a call must have to hand work to a thread. There are as many as threads, so work never queues inside
# the executor and the queue is the one below.
#
#     who                               the place
#     comes, and one is free            takes it
#     comes, and none is free           waits in line; is refused when the line is full or the wait is over
#     its work has ended in the thread  gives it to the first in line, or frees it
#     is cancelled in line              has none
#     is cancelled while its work runs  keeps it: the thread cannot be stopped. The work's end gives it on, once
#     is cancelled just as it gets one  gives it on
#
# A thread that hashes wants its core for tens of milliseconds; the loop's thread wants it for parts of one, many times.
# Equal before the scheduler, the loop would wait for a slice to end at each of its turns, and every call with it. So
# the threads step back as far as they can and still get their turn: while calls leave a core anything they hash as
# fast as ever, and where calls take it all a seventieth is theirs. Further back (SCHED_IDLE) they might be stopped for
# a second while they hold the interpreter's lock. Elsewhere than on Linux threads have no niceness of their own.

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from threading import get_native_id

from antiphon.core.errors import Unavailable

_NICENESS = 19


class HashingPool:
    """Runs work in a bounded number of threads. It belongs to the loop that uses it first."""

    def __init__(self, *, threads: int, waiting: int, wait: timedelta) -> None:
        self.threads = threads
        self._most_waiting = waiting
        self._wait = wait.total_seconds()
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="passwords", initializer=_step_back)
        self._taken = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> int:
        """How many places are taken."""
        return self._taken

    @property
    def waiting(self) -> int:
        """How many calls are in line."""
        return len(self._line)

    async def run[T](self, work: Callable[[], T]) -> T:
        """What `work()` gives, done in a thread. Raises Unavailable when too many wait, or this one waited too long."""
        await self._enter()
        loop = asyncio.get_running_loop()

        def ended(_: Future[T]) -> None:
            # Called once per work, in the thread or, when it was cancelled before it began, in the loop.
            loop.call_soon_threadsafe(self._leave)

        try:
            done = self._executor.submit(work)
        except BaseException:
            self._leave()
            raise
        done.add_done_callback(ended)
        return await asyncio.wrap_future(done)

    async def close(self) -> None:
        """Wait for what runs, and end the threads."""
        await asyncio.to_thread(self._executor.shutdown)

    async def _enter(self) -> None:
        if self._taken < self.threads:
            self._taken += 1
            return
        if len(self._line) >= self._most_waiting:
            raise _too_many()
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            async with asyncio.timeout(self._wait):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._leave()
            elif place in self._line:
                # Whoever gives a place on may have come by first, and thrown out what was over.
                self._line.remove(place)
            if isinstance(error, TimeoutError):
                raise _too_many() from None
            raise

    def _leave(self) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._taken -= 1


def _step_back() -> None:
    if sys.platform == "linux":
        # One who was started nicer than that stays so: nobody may take it back.
        os.setpriority(os.PRIO_PROCESS, get_native_id(), max(_NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def _too_many() -> Unavailable:
    return Unavailable("Too many passwords are being checked right now. Try again in a second.", retry_after=1.0)
