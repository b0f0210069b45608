"""The calls of one socket: side by side, each under its id, a stream item by item."""

# What becomes of a running call, and what is answered:
#
#   it ends                       its result, its error, or the end of its stream
#   the client cancels it         it is cancelled at its next wait; nothing more
#   the client leaves             a stream or a subscribe is cancelled, any other runs to its end; nothing
#   the drain runs out of time    it is cancelled; UNAVAILABLE
#
# A cancelled call may take a while to roll back. Its id is free at once, so everything that happens at its end asks
# whether it is still the one under its id.

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, final

from msgspec import UNSET

from antiphon.core.action import Stream
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Conflict, Defect, NotFound, TooManyCalls, TransportFault, Unavailable
from antiphon.core.idempotency import Replayed
from antiphon.core.inputs.schema import Inputs, MalformedJson
from antiphon.core.runner import close_items
from antiphon.core.session import SessionEnded, SessionStarted
from antiphon.transports.websocket.frames import Asked, FrameId, done_frame, item_frame, result_frame
from antiphon.wire.faults import malformed
from antiphon.wire.nesting import check_nesting

if TYPE_CHECKING:
    from antiphon.core.runner import Runner
    from antiphon.core.standing import Standing
    from antiphon.transports.websocket.client import SocketClient


@final
class Run:
    """Something that runs under an id. `ends_with_client` says that nobody needs it without its client."""

    __slots__ = ("before", "ctx", "ends_with_client", "id", "is_silent", "task", "topic")

    def __init__(
        self, frame_id: FrameId, ctx: Context, before: Standing, *, ends_with_client: bool = False, topic: str = ""
    ) -> None:
        self.id = frame_id
        self.ctx = ctx
        self.before = before
        self.ends_with_client = ends_with_client
        self.topic = topic
        self.is_silent = False
        self.task: asyncio.Task[None] | None = None

    def cancel(self, *, is_silent: bool = True) -> None:
        """End it at its next wait; silently, or with an answer."""
        self.is_silent = self.is_silent or is_silent
        if self.task is not None:
            self.task.cancel()


@final
class SocketCalls:
    """The calls of one socket; those that run, by the id of their frame."""

    __slots__ = ("_client", "running")

    def __init__(self, client: SocketClient) -> None:
        self._client = client
        self.running: dict[FrameId, Run] = {}

    def begin(self, said: Asked, now: float) -> None:
        """Run a call, here and now if it never waits. Raises what refuses it before it begins."""
        client, desk = self._client, self._client.desk
        runner = desk.runner(said.action)
        action, deadline = runner.action, now + runner.seconds
        ctx = Context(desk.runtime, action.name, client.connection, "", deadline, action.reads_only)
        if said.key is not UNSET:
            ctx.client_key = said.key
        elif runner.instant:
            self._answer_now(said, runner, ctx)
            return
        is_stream = isinstance(action, Stream)
        run = Run(said.id, ctx, client.standing, ends_with_client=is_stream)
        self.start(run, lambda: self._pour(said, runner, run) if is_stream else self._call(said, runner, run, None))

    def start(self, run: Run, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run something that answers under an id. Raises TooManyCalls."""
        if len(self.running) >= self._client.desk.settings.calls:
            raise TooManyCalls("As many calls run on this socket as may.", retry_after=1.0)
        self._start(run, work)

    def _start(self, run: Run, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        desk = self._client.desk
        # Before it begins: it may end sessions, and is asked about it, in its first step.
        self.running[run.id] = run
        task = asyncio.Task(work(), loop=desk.loop, eager_start=True)
        if task.done():
            self._forget(run)
            return
        run.task = task
        if run.is_silent:
            # The client was sent away in the first step already.
            task.cancel()
        desk.tasks.add(task)
        task.add_done_callback(lambda ended: self._end(run, ended))

    def _end(self, run: Run, task: asyncio.Task[None]) -> None:
        self._client.desk.tasks.discard(task)
        self._forget(run)

    def _forget(self, run: Run) -> None:
        if self.running.get(run.id) is run:
            del self.running[run.id]

    def cancel(self, frame_id: FrameId) -> None:
        """End a call at its next wait. It answers nothing more, and its id is free."""
        run = self.running.pop(frame_id, None)
        if run is not None:
            run.cancel()

    def give_up(self, topic: str) -> None:
        """End the subscribe to this topic that has not been answered yet: its answer is that there is none."""
        for run in [*self.running.values()]:
            if run.topic == topic:
                self.cancel(run.id)
                error = Conflict("The topic was unsubscribed from before the door had answered.")
                self._client.fail(run.id, error, run.ctx.request_id)

    def leave(self) -> None:
        """The client has gone: what is only for it ends. Calls run to their end; their results are dropped."""
        for run in [*self.running.values()]:
            if run.ends_with_client:
                self.cancel(run.id)

    def end_streams(self) -> None:
        """The server goes away: what may last for ever ends with an answer that says so."""
        for run in self.running.values():
            if run.ends_with_client:
                run.cancel(is_silent=False)

    def changes_session(self) -> bool:
        """Whether a running call has signed in or out, and the socket follows when it ends."""
        return any(
            isinstance(fact, SessionStarted | SessionEnded)
            for run in self.running.values()
            for fact in run.ctx.facts or ()
        )

    # One answer

    def _answer_now(self, said: Asked, runner: Runner, ctx: Context) -> None:
        client = self._client
        try:
            result = runner.run_now(ctx, self._read, (runner, said))
            if result.__class__ is CoroutineType:
                # It has begun, so there is no question of too many calls.
                run = Run(said.id, ctx, client.standing)
                self._start(run, lambda: self._call(said, runner, run, result))
                return
            client.reply(result_frame(said.id, result))
        except Exception as error:  # noqa: BLE001  # told apart there
            client.fail(said.id, told_of(error, ctx), ctx.request_id)
        if ctx.facts:
            client.follow(ctx, client.standing)

    async def _call(self, said: Asked, runner: Runner, run: Run, begun: CoroutineType[Any, Any, Any] | None) -> None:
        client, ctx = self._client, run.ctx
        try:
            result = await (begun or runner.run(ctx, self._read, (runner, said)))
            if not run.is_silent:
                client.reply(result_frame(said.id, result, is_replayed=ctx.told(Replayed) is not None))
        except Exception as error:  # noqa: BLE001  # told apart there
            self._fail(run, told_of(error, ctx))
        except asyncio.CancelledError:
            self._fail(run, Unavailable("The server went away before this was done."))
        finally:
            if ctx.facts:
                client.follow(ctx, run.before)

    # Item by item

    async def _pour(self, said: Asked, runner: Runner, run: Run) -> None:
        client, ctx = self._client, run.ctx
        try:
            items = await runner.open_stream(ctx, self._read, (runner, said))
            try:
                if ctx.steps:
                    # What the rule opened is given back now: the first item may be long in coming.
                    await ctx.finish(None)
                async for item in items:
                    if run.is_silent:
                        return
                    await client.send_item(item_frame(said.id, item))
            finally:
                await close_items(items)
            if not run.is_silent:
                client.reply(done_frame(said.id))
        except Exception as error:  # noqa: BLE001  # told apart there
            self._fail(run, told_of(error, ctx))
        except asyncio.CancelledError:
            self._fail(run, Unavailable("The server goes away. Ask again."))
        finally:
            if ctx.facts:
                client.follow(ctx, run.before)

    def _read(self, source: tuple[Runner, Asked]) -> Inputs:
        runner, said = source
        data = bytes(said.params)
        check_nesting(data, self._client.desk.settings.json_depth)
        try:
            return runner.schema.from_json(data)
        except MalformedJson:
            raise malformed("The params cannot be read.") from None

    def _fail(self, run: Run, error: CallError | Defect | TransportFault) -> None:
        if not run.is_silent:
            is_replayed = run.ctx.told(Replayed) is not None
            self._client.fail(run.id, error, run.ctx.request_id, is_replayed=is_replayed)


def told_of(error: Exception, ctx: Context) -> CallError | Defect | TransportFault:
    """What a client may be told of an error; what nobody foresaw is logged and is a Defect."""
    if isinstance(error, CallError | Defect | TransportFault):
        return error
    # Such as a result that has no form in JSON.
    ctx.log.error("websocket.defect", error=error)
    return Defect()


def unreachable(name: str) -> NotFound:
    """What is said of an action that is not there for sockets."""
    return NotFound(f"There is no action {name[:100]!r} here." if name.isprintable() else "There is no such action.")
