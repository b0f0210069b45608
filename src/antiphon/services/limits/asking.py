"""Asks the store for decisions, and waits for it no longer than a moment."""

# A store that is killed refuses at once. One that hangs would cost every call the time of a command, so each waits
# `store_time` for its answer and no longer; and after the first that waited in vain nobody asks at all until the store
# has answered in time again, which one probe in the background finds out.
#
#     state    a call                                 leaves it when
#     asks     asks, and waits for `store_time`       the store is away, or has not answered in time
#     alone    does not ask                           a probe was answered within `store_time`
#
# Waiting costs no timer per call: all wait equally long, so one timer for the first in the line serves all of them. A
# timer that comes late says that this process was held up and not the store: the answers may lie unread, so the line
# gets its time again, twice at most.
#
# Who may not pass without the store's word has nothing better to do than to wait for it: whoever asks with `patience`
# asks in either state, and waits as long as for any other command. A store that is killed refuses these at once too.
#
# A command that nobody waits for any more is left to end by itself: cutting it off would cost its connection.

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple

from redis.exceptions import RedisError

from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_LATE_SHARE = 0.25
_MOST_EXTENSIONS = 2
_FIRST_PAUSE_SECONDS, _MOST_PAUSE_SECONDS = 0.05, 1.0

type _Waiter = asyncio.Future[None]


class NoAnswer(Exception):
    """The store has not decided: it is away, or did not answer in time. It may have charged, or not."""


class Asked(NamedTuple):
    """A script that was sent, and what says that it was answered or has taken too long."""

    task: asyncio.Task[Any]
    waiter: _Waiter


class Asker:
    """Runs scripts on the store within a moment."""

    def __init__(self, store: Store, time: timedelta, log: Logger) -> None:
        self._store = store
        self._seconds = time.total_seconds()
        self._log = log
        self._line: deque[tuple[float, _Waiter]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._extensions = 0
        self._asked: set[asyncio.Task[Any]] = set()
        self._probing: asyncio.Task[None] | None = None

    @property
    def alone(self) -> bool:
        """Whether the store is not asked at present."""
        return self._probing is not None

    async def ask(
        self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float], *, patience: bool = False
    ) -> Any:
        """What the script answers. Raises NoAnswer."""
        asked = self.begin(script, keys, args, patience=patience)
        if asked is None:
            raise NoAnswer
        return await self.answer(asked, patience=patience)

    def begin(
        self, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int | float], *, patience: bool = False
    ) -> Asked | None:
        """Send the script, for `answer` to be asked once at most; None when the store is not asked at present."""
        if self._probing is not None and not patience:
            return None
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] = asyncio.Task(self._store.trips.run(script, keys, args), loop=loop, eager_start=True)
        waiter: _Waiter = loop.create_future()
        if task.done():
            self._answered(waiter, task)
        else:
            self._asked.add(task)
            task.add_done_callback(partial(self._answered, waiter))
            self._wait_in_line(waiter, loop)
        return Asked(task, waiter)

    async def answer(self, asked: Asked, *, patience: bool = False) -> Any:
        """What a script that was sent answers. Raises NoAnswer; the time is counted from when it was sent."""
        task = asked.task
        if not task.done():
            await asked.waiter
            if not task.done():
                self._go_alone("no answer in time")
                if not patience:
                    raise NoAnswer
                # It ends by itself within the time of a command, and is others' as well.
                await asyncio.wait((task,))
        try:
            return task.result()
        except Unavailable:
            self._go_alone("it is away")
            raise NoAnswer from None

    async def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [*self._asked] if self._probing is None else [*self._asked, self._probing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answered(self, waiter: _Waiter, task: asyncio.Task[Any]) -> None:
        self._asked.discard(task)
        if not waiter.done():
            waiter.set_result(None)
        if not task.cancelled():
            # Asked for, or the loop complains that nobody did: those who gave up do not come back.
            task.exception()

    def _wait_in_line(self, waiter: _Waiter, loop: asyncio.AbstractEventLoop) -> None:
        deadline = loop.time() + self._seconds
        self._line.append((deadline, waiter))
        if self._timer is None:
            self._timer = loop.call_at(deadline, self._look, deadline)

    def _look(self, due: float) -> None:
        """Send those away who have waited long enough."""
        loop, line = asyncio.get_running_loop(), self._line
        now = loop.time()
        while line and line[0][1].done():
            line.popleft()
        if now - due > self._seconds * _LATE_SHARE and line and self._extensions < _MOST_EXTENSIONS:
            self._extensions += 1
            again = now + self._seconds
        else:
            self._extensions = 0
            while line and (line[0][1].done() or line[0][0] <= now):
                _, waiter = line.popleft()
                if not waiter.done():
                    waiter.set_result(None)
            again = line[0][0] if line else 0.0
        self._timer = loop.call_at(again, self._look, again) if line else None

    def _go_alone(self, reason: str) -> None:
        if self._probing is None:
            self._log.warning("limits.alone", reason=reason)
            self._probing = asyncio.create_task(self._probe())

    async def _probe(self) -> None:
        loop, pause = asyncio.get_running_loop(), _FIRST_PAUSE_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _MOST_PAUSE_SECONDS)
            began = loop.time()
            try:
                await self._store.client.ping()
            except (Unavailable, RedisError):
                continue
            if loop.time() - began <= self._seconds:
                break
        self._probing = None
        self._log.info("limits.together")
