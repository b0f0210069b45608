"""The calls of one socket: side by side, each under its id, a stream item by item."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, final

from antiphon.core.action import Stream
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, NotFound, TooManyCalls, TransportFault, Unavailable
from antiphon.core.inputs.schema import Inputs, MalformedJson
from antiphon.transports.websocket.frames import FrameId, Said, done_frame, item_frame, result_frame
from antiphon.wire.faults import malformed

if TYPE_CHECKING:
    from antiphon.core.runner import Runner
    from antiphon.transports.websocket.client import SocketClient


@final
class SocketCalls:
    """The running calls of one socket, by the id of their frame."""

    __slots__ = ("_client", "_ending", "_running", "_streams")

    def __init__(self, client: SocketClient) -> None:
        self._client = client
        self._running: dict[FrameId, asyncio.Task[None]] = {}
        self._streams: set[FrameId] = set()

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, frame_id: FrameId) -> bool:
        return frame_id in self._running

    def begin(self, said: Said) -> None:
        """Run a call, here and now if it never waits. Raises what refuses it before it begins."""
        client, desk = self._client, self._client.desk
        runner = desk.runner(str(said.action))
        client.refuse_taken(said.id)
        ctx = desk.context(runner.action.name, client.connection, seconds=runner.seconds)
        if runner.instant:
            self._answer_now(said, runner, ctx)
            return
        stream = isinstance(runner.action, Stream)
        self.run(said.id, self._pour(said, runner, ctx) if stream else self._call(said, runner, ctx), stream=stream)

    def run(self, frame_id: FrameId, work: Coroutine[Any, Any, None], *, stream: bool = False) -> None:
        """Run something that answers under this id. Raises TooManyCalls and Conflict."""
        client = self._client
        try:
            client.refuse_taken(frame_id)
            if len(self._running) >= client.desk.settings.calls:
                raise TooManyCalls("As many calls run on this socket as may.", retry_after=1.0)
        except CallError:
            work.close()
            raise
        task = asyncio.Task(work, loop=client.desk.loop, eager_start=True)
        if task.done():
            return
        self._running[frame_id] = task
        if stream:
            self._streams.add(frame_id)
        task.add_done_callback(lambda _: self._end(frame_id))

    def _end(self, frame_id: FrameId) -> None:
        self._running.pop(frame_id, None)
        self._streams.discard(frame_id)

    def cancel(self, frame_id: FrameId) -> None:
        """End a call at its next wait. It answers nothing more."""
        task = self._running.pop(frame_id, None)
        self._streams.discard(frame_id)
        if task is not None:
            task.cancel()

    def leave(self) -> None:
        """The client has gone: streams end. Calls run to their end, within their time; their results are dropped."""
        for frame_id in list(self._streams):
            self.cancel(frame_id)

    # One answer

    def _answer_now(self, said: Said, runner: Runner, ctx: Context) -> None:
        client = self._client
        try:
            client.reply(result_frame(said.id, runner.run_now(ctx, _read(runner, said))))
        except Exception as error:  # noqa: BLE001  # told apart there
            client.fail(said.id, self._told(error, ctx), ctx.request_id)

    async def _call(self, said: Said, runner: Runner, ctx: Context) -> None:
        client = self._client
        try:
            result = await runner.run(ctx, lambda given: _read(runner, given), said)
            client.reply(result_frame(said.id, result))
        except Exception as error:  # noqa: BLE001  # told apart there
            client.fail(said.id, self._told(error, ctx), ctx.request_id)
        except asyncio.CancelledError:
            if said.id in self:
                # Not by the client, so it is the drain that ran out of time.
                client.fail(said.id, Unavailable("The server went away before this was done."), ctx.request_id)
        finally:
            if ctx.facts:
                client.follow(ctx)

    # Item by item

    async def _pour(self, said: Said, runner: Runner, ctx: Context) -> None:
        client = self._client
        try:
            items = await runner.open_stream(ctx, lambda given: _read(runner, given), said)
            try:
                async for item in items:
                    await client.send_item(item_frame(said.id, item))
            finally:
                closing = getattr(items, "aclose", None)
                if closing is not None:
                    await closing()
            client.reply(done_frame(said.id))
        except Exception as error:  # noqa: BLE001  # told apart there
            client.fail(said.id, self._told(error, ctx), ctx.request_id)
        except asyncio.CancelledError:
            if said.id in self:
                client.fail(said.id, Unavailable("The server goes away. Ask again."), ctx.request_id)

    def _told(self, error: Exception, ctx: Context) -> CallError | Defect | TransportFault:
        if isinstance(error, CallError | Defect | TransportFault):
            return error
        # Such as a result that has no form in JSON.
        ctx.log.error("websocket.defect", error=error)
        return Defect()


def _read(runner: Runner, said: Said) -> Inputs:
    try:
        return runner.schema.from_json(bytes(said.params))
    except MalformedJson:
        raise malformed("The params cannot be read.") from None


def unreachable(name: str) -> NotFound:
    """What is said of an action that is not there for sockets."""
    return NotFound(f"There is no action {name[:100]!r} here." if name.isprintable() else "There is no such action.")
