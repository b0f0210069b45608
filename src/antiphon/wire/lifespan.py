"""Start and stop of what stands behind an ASGI server: by its lifespan events, or by the first request without them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from antiphon.core.errors import SetupError

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

# The states, and what moves between them:
#
#   idle ──lifespan.startup / first request──▶ starting ──▶ running ──lifespan.shutdown──▶ over
#     ▲                                           │ fails
#     └───────────────────────────────────────────┘
#
# A server may send no lifespan events at all (it has them off, or another application mounted this one and keeps
# them to itself). Then the first request starts, and everyone who comes meanwhile waits for the same start. A start
# that failed is tried again by the next request: what was away may be back. Nothing starts again once it is over.


class Lifespan:
    """Runs `start` once before anything is answered, and `stop` once afterwards if the server says when that is."""

    __slots__ = ("_over", "_report", "_start", "_starting", "_stop", "running")

    def __init__(
        self,
        start: Callable[[], Awaitable[None]] | None,
        stop: Callable[[], Awaitable[None]] | None,
        report: Callable[[Exception], None],
    ) -> None:
        self._start = start
        self._stop = stop
        self._report = report
        self._starting: asyncio.Task[bool] | None = None
        self._over = False
        self.running = start is None

    async def serve(self, receive: Receive, send: Send) -> None:
        """Follow the server's lifespan events (ASGI lifespan 2.0) until the shutdown is done."""
        await receive()
        try:
            # In this task and not in one of its own: what `start` opens is closed by `stop` in the same task.
            if self._start is not None:
                await self._start()
        except Exception as problem:  # noqa: BLE001  # the server is told, whatever it was
            self._tell(problem)
            await send({"type": "lifespan.startup.failed", "message": _message(problem)})
            return
        self.running = True
        self._over = False
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.running = False
        self._over = True
        try:
            if self._stop is not None:
                await self._stop()
        except Exception as problem:  # noqa: BLE001  # the server is told, whatever it was
            self._tell(problem)
            await send({"type": "lifespan.shutdown.failed", "message": _message(problem)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    async def begin(self) -> bool:
        """Start if nobody has, together with everyone else who asks; whether it runs now."""
        if self.running or self._over:
            return self.running
        if self._starting is None:
            self._starting = asyncio.create_task(self._start_alone())
        # Shielded: a client that leaves must not take the start of all others with it.
        return await asyncio.shield(self._starting)

    async def _start_alone(self) -> bool:
        try:
            if self._start is not None:
                await self._start()
        except Exception as problem:  # noqa: BLE001  # a request must be answered, whatever it was
            self._report(problem)
        else:
            self.running = True
        finally:
            self._starting = None
        return self.running

    def _tell(self, problem: Exception) -> None:
        # The message of a SetupError is all there is to know; of anything else the traceback is wanted too.
        if not isinstance(problem, SetupError):
            self._report(problem)


def _message(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
