"""The calls that run now: how many may, which are out of time, and how the last ones end at a drain.

No call has a timer of its own. A sweep once a second, or sooner when a call with less time begins, cancels what is over
its deadline; the runner turns that cancellation into TimedOut.
"""

from __future__ import annotations

import asyncio
from asyncio import current_task
from collections.abc import Callable
from math import inf

from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import Unavailable

SWEEP_SECONDS = 1.0

UNDO_SECONDS = 5.0
"""What a cancelled call has to roll back and to end, before a drain goes on without it."""

type LongCall = Callable[[Context, asyncio.Task[object]], None]
"""What a transport does about a call that a sweep meets, such as looking whether its client is still there."""


class Calls:
    """The running calls of one process."""

    def __init__(self, clock: Clock, most: int) -> None:
        self.most = most
        self.draining = False
        self._clock = clock
        self._open: dict[Context, asyncio.Task[object]] = {}
        self._sweep_at = inf
        self._timer: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None
        self.on_long_call: LongCall | None = None

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, ctx: Context) -> None:
        """Begin a call. Raises Unavailable when as many run as may."""
        if len(self._open) >= self.most:
            raise Unavailable("The server is full. Try again soon.")
        task = current_task()
        if task is None:
            raise RuntimeError("A call runs inside a task.")
        self._open[ctx] = task
        if ctx.deadline < self._sweep_at:
            self._arm(ctx.deadline)

    def look_by(self, deadline: float) -> None:
        """Sweep no later than this: a call has got less time than it had."""
        if deadline < self._sweep_at:
            self._arm(deadline)

    def leave(self, ctx: Context) -> None:
        """End a call."""
        self._open.pop(ctx, None)
        if self._emptied is not None and not self._open:
            self._emptied.set()

    def sweep(self) -> None:
        """Cancel what is out of time."""
        now = self._clock.monotonic()
        nearest = inf
        for ctx, task in self._open.items():
            if ctx.out_of_time:
                continue
            if ctx.deadline <= now:
                ctx.out_of_time = True
                task.cancel()
                continue
            nearest = min(nearest, ctx.deadline)
            if self.on_long_call is not None:
                self.on_long_call(ctx, task)
        self._timer, self._sweep_at = None, inf
        if nearest < inf:
            self._arm(nearest)

    def _arm(self, deadline: float) -> None:
        """Sweep at this deadline, but look again after a second at the latest: deadlines may be moved forward."""
        now = self._clock.monotonic()
        at = max(now, min(deadline, now + SWEEP_SECONDS))
        if self._timer is not None:
            if self._sweep_at <= at:
                return
            self._timer.cancel()
        self._sweep_at = at
        self._timer = asyncio.get_running_loop().call_later(at - now, self.sweep)

    async def drain(self, seconds: float) -> None:
        """Wait for the running calls, then cancel what is left. New ones are the transports' matter to refuse."""
        self.draining = True
        if self._open:
            self._emptied = asyncio.Event()
            if not await _within(seconds, self._emptied):
                for task in self._open.values():
                    task.cancel()
                # What they lean on is closed next: they must have ended by then.
                await _within(UNDO_SECONDS, self._emptied)
        self.close()

    def close(self) -> None:
        """Stop sweeping."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._sweep_at = None, inf


async def _within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event came within this long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return event.is_set()
    return True
