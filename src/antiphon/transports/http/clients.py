"""Notices clients that leave while a reading call runs, and ends the call: nobody wants its answer."""

from __future__ import annotations

import asyncio

from antiphon.core.context import Context
from antiphon.transports.http.connection import HttpConnection


class Clients:
    """The long calls whose client is watched. A call that ends before the next sweep is never looked at."""

    def __init__(self) -> None:
        self.watching: dict[Context, asyncio.Task[None]] = {}
        self._left: set[Context] = set()

    def watch(self, ctx: Context, task: asyncio.Task[object]) -> None:
        """Cancel the call when its client leaves. Calls that write run to their end, and their result is dropped."""
        connection = ctx.connection
        if not ctx.safe or ctx in self.watching or not isinstance(connection, HttpConnection):
            return
        if connection.request.has_body:
            # The body is being read, and a server tells of a client's leaving to one reader only.
            return
        self.watching[ctx] = asyncio.create_task(self._wait(ctx, connection, task))

    def has_left(self, ctx: Context) -> bool:
        """Whether the call was cancelled because its client left."""
        if ctx not in self._left:
            return False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True

    def forget(self, ctx: Context) -> None:
        """Stop watching: the call has ended."""
        watching = self.watching.pop(ctx, None)
        if watching is not None:
            watching.cancel()
        self._left.discard(ctx)

    async def _wait(self, ctx: Context, connection: HttpConnection, task: asyncio.Task[object]) -> None:
        await connection.request.wait_until_left()
        self._left.add(ctx)
        task.cancel()
