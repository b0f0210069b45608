"""Keeps loops running for ever: each round again, after whatever went wrong, and says when one has gone deaf."""

# A loop is a round that is repeated. What becomes of it:
#
#   a round …                                     then
#   returns a number of seconds                   the next one begins after so long, or as soon as the loop is woken
#   returns None                                  the next one begins at once
#   fails because a store or database is away     the next one begins after 50 ms, doubling to 1 s, with jitter; counted
#   fails in any other way                        the same, and it is logged: a defect of ours must not end the loop
#
# A round that neither ends nor fails is what a hanging server looks like. Nothing else can tell it from work, so the
# age of the last completed round decides: over `deaf_time` the loop is deaf, and deaf is red. Every round has therefore
# to end within a few seconds even when there is nothing to do.

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from random import uniform

from antiphon.core.errors import Unavailable
from antiphon.core.health import Health
from antiphon.core.log import Logger
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background, service

FIRST_WAIT = 0.05
MOST_WAIT = 1.0
DEAF_SECONDS = 10.0

type Round = Callable[[], Awaitable[float | None]]
"""One round of a loop: gives the seconds until the next, or None for at once."""


class Loop:
    """One loop and how it fares. Times are seconds of the event loop's clock."""

    def __init__(self, name: str, round: Round, *, vital: bool) -> None:
        self.name = name
        self.vital = vital
        self.reconnects = 0
        self.rounds = 0
        self.completed_at = asyncio.get_running_loop().time()
        self.round = round
        self.task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()

    @property
    def age_seconds(self) -> float:
        """How long ago the last round was completed, or how long the first one takes."""
        return asyncio.get_running_loop().time() - self.completed_at

    def wake(self) -> None:
        """Begin the next round now, if the loop is between two."""
        self._woken.set()

    async def pause(self, seconds: float) -> None:
        """Wait so long, or until somebody wakes the loop."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass

    def begin(self) -> None:
        """A round begins: who wakes the loop from here on means the next one."""
        self._woken.clear()

    def complete(self) -> None:
        """A round is complete."""
        self.rounds += 1
        self.completed_at = asyncio.get_running_loop().time()


class Supervisor(Background):
    """The loops of one process: consumer, promotion, outbox, schedules, feeders.

    As a health check it is called `worker`. `is_alone` says that the process does nothing else: then a deaf loop is red
    (`down`), where it would only be `degraded` beside a server that still answers.
    """

    health_name = "worker"
    health_critical = False

    def __init__(self, log: Logger) -> None:
        self.loops: dict[str, Loop] = {}
        self.reconnects: dict[str, int] = {}
        """Those of ended loops, by name."""
        self.is_alone = False
        self._log = log

    async def begin(self, runtime: Runtime) -> None:
        """Take note of what else this process does."""
        self.is_alone = runtime.listening == frozenset(("worker",))
        self.health_critical = self.is_alone

    def keep(self, name: str, round: Round, *, vital: bool = True) -> Loop:
        """Run this round again and again until the loop is ended. One that is not `vital` is no matter of health.

        Raises ValueError for a name that runs already.
        """
        if name in self.loops:
            raise ValueError(f"A loop named {name} runs already.")
        loop = self.loops[name] = Loop(name, round, vital=vital)
        loop.reconnects = self.reconnects.get(name, 0)
        loop.task = asyncio.create_task(self._run(loop), name=f"loop {name}")
        return loop

    def wake(self, name: str) -> None:
        """Begin the loop's next round now; nothing happens when no such loop runs."""
        loop = self.loops.get(name)
        if loop is not None:
            loop.wake()

    async def end(self, *names: str) -> None:
        """End these loops, wherever they are, and wait until they have ended."""
        ended = [loop for name in names if (loop := self.loops.pop(name, None)) is not None]
        tasks = [loop.task for loop in ended if loop.task is not None]
        for loop in ended:
            # What was counted is not forgotten: a sum never goes back.
            self.reconnects[loop.name] = loop.reconnects
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def all_reconnects(self) -> dict[str, int]:
        """How often rounds of each loop have failed so far, those of ended loops too."""
        return {**self.reconnects, **{name: loop.reconnects for name, loop in self.loops.items()}}

    async def close(self) -> None:
        """End every loop."""
        await self.end(*self.loops)

    async def check_health(self) -> Health:
        """Up while every vital loop has lately completed a round."""
        if all(loop.rounds and loop.age_seconds < DEAF_SECONDS for loop in self.loops.values() if loop.vital):
            return Health.UP
        return Health.DOWN if self.is_alone else Health.DEGRADED

    async def _run(self, loop: Loop) -> None:
        wait, is_away = FIRST_WAIT, False
        while True:
            loop.begin()
            try:
                pause = await loop.round()
            except Exception as error:  # noqa: BLE001  # a loop outlives whatever happens in it
                loop.reconnects += 1
                if not is_away:
                    self._tell(loop, error)
                is_away = True
                # Not woken by what wants a round: the whole fleet would fall upon a server that has just come back.
                await asyncio.sleep(wait * uniform(0.5, 1.0))  # noqa: S311  # no secret
                wait = min(MOST_WAIT, wait * 2)
                continue
            loop.complete()
            if is_away:
                self._log.info("loop.resumed", loop=loop.name)
            wait, is_away = FIRST_WAIT, False
            if pause:
                await loop.pause(pause)
            elif pause is None:
                # A round that never waits must not keep everything else from its turn.
                await asyncio.sleep(0)

    def _tell(self, loop: Loop, error: Exception) -> None:
        if isinstance(error, Unavailable | OSError):
            self._log.warning("loop.away", loop=loop.name, reason=str(error))
        else:
            self._log.error("loop.failed", loop=loop.name, error=error)


@service
async def supervisor(log: Logger) -> AsyncIterator[Supervisor]:
    """The loops of this process. Services and transports add theirs when the application begins to listen."""
    opened = Supervisor(log)
    try:
        yield opened
    finally:
        await opened.close()
