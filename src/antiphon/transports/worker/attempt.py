"""One attempt of a job: the message becomes a Call, runs through all its layers, and its end becomes an outcome."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from antiphon.core.action import Stream
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, InvalidInput, TimedOut, TransportFault
from antiphon.core.inputs.schema import Inputs, MalformedJson
from antiphon.core.inputs.types import encode_kind
from antiphon.core.job import Run, Snoozed
from antiphon.core.results import Download
from antiphon.core.runner import Runner, close_items
from antiphon.services.streams.held import Report
from antiphon.services.streams.message import JobError, JobMessage, fitting
from antiphon.services.streams.schemas import schema_digest
from antiphon.services.streams.values import Dead, Done, Outcome, Retry, Running, Unknown
from antiphon.transports.base import Told, error_object
from antiphon.transports.worker.connection import JobConnection
from antiphon.transports.worker.outcomes import judge

if TYPE_CHECKING:
    from antiphon.core.caller import Caller
    from antiphon.services.streams.players import Play
    from antiphon.transports.worker.desk import JobDesk

NOTE_CHARACTERS = 500
"""How much of an item of a stream is shown as progress."""

_encode = msgspec.json.Encoder(enc_hook=encode_kind).encode


class Part(NamedTuple):
    """What runs a job: the runner of its action, and what a player says beside it."""

    runner: Runner
    play: Play | None = None


class _OtherRelease(TransportFault):
    """The job was made for inputs that this worker does not know."""

    type = "OTHER_RELEASE"


class JobAttempt:
    """One attempt, as the loop sees it."""

    __slots__ = ("_ctx", "_desk", "_part", "_report", "_running")

    def __init__(self, desk: JobDesk, running: Running, report: Report) -> None:
        self._desk = desk
        self._running = running
        self._report = report
        self._part: Part | None = None
        self._ctx: Context | None = None

    @property
    def overdue(self) -> bool:
        """Whether it still runs, though it was cancelled a while ago for its time."""
        desk = self._desk
        deadline = inf if self._ctx is None else self._ctx.deadline
        return desk.runtime.clock.monotonic() > deadline + desk.undo_seconds

    async def run(self) -> Outcome:
        """Run it to its end, whatever that is."""
        message = self._running.message
        try:
            part = self._part = self._desk.part(message)
            if part is None:
                return Unknown()
            caller = await self._desk.caller(message, part)
            ctx = self._ctx = await self._context(message, part.runner, caller)
            if isinstance(part.runner.action, Stream):
                return await self._pour(ctx, part.runner)
            return self._done(ctx, await part.runner.run(ctx, self._read, message))
        except _OtherRelease:
            return Unknown()
        except (CallError, Defect, TransportFault, Snoozed) as error:
            return self._failed(error)
        except Exception as error:  # noqa: BLE001  # what nobody foresaw is a defect of ours
            self._desk.runtime.log.error("worker.defect", job=message.id, error=error)
            return self.broken()

    def timed_out(self) -> Outcome:
        """What becomes of it for having run out of time."""
        return self._failed(TimedOut())

    def broken(self) -> Outcome:
        """What becomes of it for a defect."""
        return self._failed(Defect())

    # Before

    async def _context(self, message: JobMessage, runner: Runner, caller: Caller) -> Context:
        runtime = self._desk.runtime
        ctx = Context(
            runtime,
            runner.action.name,
            JobConnection(message),
            message.request_id,
            runtime.clock.monotonic() + runner.seconds,
            safe=False,
        )
        ctx.become(caller)
        ctx.idempotency_key = message.once or message.id
        ctx.job = Run(
            id=message.id,
            attempt=self._running.attempt,
            attempts=message.attempts,
            enqueued_at=message.enqueued_at,
            scheduled_at=message.due_at,
            report=self._report,
            batch=await self._desk.tellings.outcomes(message) if message.batch is not None else None,
            replay=message.replay,
        )
        return ctx

    def _read(self, message: JobMessage) -> Inputs:
        assert self._part is not None  # noqa: S101  # it is found before it runs
        runner, play = self._part
        try:
            return runner.schema.from_json(bytes(message.inputs)) if play is None else play.read()
        except (InvalidInput, MalformedJson, Snoozed) as error:
            if isinstance(error, Snoozed) or message.schema != schema_digest(runner.action):
                raise _OtherRelease from error
            if isinstance(error, MalformedJson):
                raise InvalidInput("The inputs of the job are no JSON object.") from None
            raise

    # After

    async def _pour(self, ctx: Context, runner: Runner) -> Outcome:
        """Each item is progress, the last one is the result; the time is that of the whole stream."""
        calls, last = self._desk.runtime.calls, None
        items = await runner.open_stream(ctx, self._read, self._running.message)
        calls.enter(ctx)
        try:
            if ctx.steps:
                await ctx.finish(None)
            async for item in items:
                last = item
                await self._report(0.0, self._shown(item))
        except asyncio.CancelledError:
            if ctx.forgive_timeout():
                raise TimedOut from None
            raise
        finally:
            calls.leave(ctx)
            await close_items(items)
        return self._done(ctx, last)

    def _shown(self, item: Any) -> str:
        return _encode(item).decode()[:NOTE_CHARACTERS]

    def _done(self, ctx: Context, result: Any) -> Outcome:
        if result is None:
            return Done()
        try:
            data = None if isinstance(result, Download) else fitting(_encode(result))
        except (TypeError, ValueError) as error:
            # What it has done stands: another run would do it again and have no result either.
            ctx.log.error("job.result_not_kept", error=error)
            data = None
        return Done(data, omitted=data is None)

    def _failed(self, error: Told | Snoozed) -> Outcome:
        message, desk = self._running.message, self._desk
        plan = desk.plan(None if self._part is None else self._part.runner.action)
        verdict = judge(error, plan, self._running.attempt, message.attempts)
        told = None
        if not isinstance(error, Snoozed):
            shown = error_object(error, message.request_id, desk.runtime.clock.now())
            told = JobError(shown.type, shown.message, shown.request_id, shown.fields or ())
        if verdict.again is None:
            return Dead(verdict.reason, told)
        return Retry(verdict.again, told, counted=verdict.counted)
