"""The background task as a voice: a job queued as somebody, run by the worker of the process, and how it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from antiphon import Caller, Queues
from antiphon.core.action import AnyAction
from antiphon.core.caller import ANONYMOUS
from antiphon.services.streams.message import CallerRef, JobMessage
from antiphon.services.streams.record import JobRecord
from antiphon.services.streams.schemas import schema_digest
from antiphon.testing.waiting import wait_until
from tests.olympus_stage import Olympus, Person
from tests.promises.outcome import Outcome
from tests.services.streams_stage import message


class Background:
    """Jobs, written by hand: `ctx.later` would refuse inputs that do not fit before there is a job."""

    name = "worker"
    carries_files = False

    def __init__(self, olympus: Olympus) -> None:
        self._runtime = olympus.running.runtime
        self._queues = self._runtime.require(Queues, "the test")

    async def call(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        """Queue a call as somebody, and wait for its end."""
        return await self.end_of(await self.put(who, action, **inputs))

    async def stream(self, who: Person | None, action: str, /, **inputs: Any) -> Outcome:
        """The same: the last item is the result of a job."""
        return await self.call(who, action, **inputs)

    async def put(self, who: Person | None, action: str, /, queue: str = "default", **inputs: Any) -> str:
        """Queue a call as somebody; gives the id of its job."""
        (enqueued,) = await self._queues.enqueue([self._message(who, self._runtime.actions[action], queue, inputs)])
        return enqueued.id

    async def end_of(self, job_id: str) -> Outcome:
        """Wait until a job has come to its end. One that nobody could run here fails the test."""
        record: JobRecord | None = None

        async def ended() -> bool:
            nonlocal record
            record = await self._queues.view(job_id)
            return record is not None and record.finished

        await wait_until(ended, f"the job {job_id} never ended")
        assert record is not None
        assert record.state in ("done", "dead"), record
        if record.error is not None and record.state == "dead":
            fields = tuple(fault.name for fault in record.error.fields)
            return Outcome(None, record.error.type, fields, record.error.message)
        return Outcome(None if record.result is None else msgspec.json.decode(record.result))

    def _message(self, who: Person | None, action: AnyAction, queue: str, inputs: dict[str, Any]) -> JobMessage:
        caller: Caller = who.caller if who is not None else ANONYMOUS
        wired = {field.wire: inputs[field.name] for field in action.schema.fields if field.name in inputs}
        return message(
            queue,
            action=action.name,
            schema=schema_digest(action),
            inputs=msgspec.Raw(msgspec.json.encode(wired)),
            caller=CallerRef(caller.kind, caller.id, caller.tenant_id, "direct"),
            request_id=self._runtime.ids.uuid7(),
            # Whatever it ends with is its answer.
            attempts=1,
        )
