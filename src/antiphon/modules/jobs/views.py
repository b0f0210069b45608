"""Jobs as people are shown them: what their owner sees, and what admins see beside that."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from antiphon import Context, Fault, JobRecord, Struct

MASK = "***"
"""What stands in the place of a secret."""

_NONE = msgspec.Raw(b"null")


class Progress(Struct):
    """How far a job has come: a share from 0 to 1, and a note."""

    share: float
    note: str


class JobFailure(Struct):
    """Why an attempt failed, as its caller would have been told."""

    type: str
    message: str
    request_id: str
    fields: list[Fault]


class FailedRun(Struct):
    """One of the last ten attempts that failed."""

    attempt: int
    at: datetime
    error: JobFailure


class BatchProgress(Struct):
    """How far the fan-out is that the job belongs to."""

    total: int
    done: int
    dead: int


class JobDetail(Struct):
    """What only admins see of a job. Secret inputs are masked; `inputs` is null for a job that cannot be read."""

    queue: str
    reason: str
    crashes: int
    priority: str
    key: str
    caller_kind: str
    caller_id: str
    tenant_id: str
    request_id: str
    cancelling: bool
    inputs: Any
    errors: list[FailedRun]


class JobView(Struct):
    """A job. `result` is null until it is done, and stays so with `result_omitted` when it was over 64 KiB."""

    id: str
    action: str
    state: str
    attempt: int
    attempts: int
    progress: Progress | None
    enqueued_at: datetime | None
    due_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    result: Any
    result_omitted: bool
    error: JobFailure | None
    batch: BatchProgress | None
    detail: JobDetail | UnsetType = UNSET


class JobRow(Struct):
    """A job in a list."""

    id: str
    queue: str
    action: str
    state: str
    reason: str
    attempt: int
    attempts: int
    enqueued_at: datetime | None
    due_at: datetime | None
    finished_at: datetime | None
    error: str


def view_of(job: JobRecord, batch: BatchProgress | None, detail: JobDetail | UnsetType) -> JobView:
    """The job as it is shown."""
    message = job.message
    return JobView(
        id=job.id,
        action="" if message is None else message.action,
        state=job.state,
        attempt=job.attempt,
        attempts=0 if message is None else message.attempts,
        progress=None if job.progress is None else Progress(job.progress.share, job.progress.note),
        enqueued_at=None if message is None else message.enqueued_at,
        due_at=job.due_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        result=_NONE if job.result is None else job.result,
        result_omitted=job.result_omitted,
        error=None if job.errors == () or job.state == "done" else _failed_runs(job)[-1].error,
        batch=batch,
        detail=detail,
    )


def detail_of(ctx: Context, job: JobRecord) -> JobDetail:
    """What admins see of it."""
    message = job.message
    return JobDetail(
        queue=job.queue,
        reason=job.reason,
        crashes=job.crashes,
        priority="" if message is None else message.priority,
        key="" if message is None else message.key,
        caller_kind="" if message is None else message.caller.kind,
        caller_id="" if message is None else message.caller.id,
        tenant_id="" if message is None else message.caller.tenant_id,
        request_id="" if message is None else message.request_id,
        cancelling=job.cancelling,
        inputs=_masked(ctx, job),
        errors=_failed_runs(job),
    )


def row_of(job: JobRecord) -> JobRow:
    """The job as lists show it."""
    message, error = job.message, job.error
    return JobRow(
        id=job.id,
        queue=job.queue,
        action="" if message is None else message.action,
        state=job.state,
        reason=job.reason,
        attempt=job.attempt,
        attempts=0 if message is None else message.attempts,
        enqueued_at=None if message is None else message.enqueued_at,
        due_at=job.due_at,
        finished_at=job.finished_at,
        error="" if error is None or job.state == "done" else f"{error.type}: {error.message}",
    )


def _masked(ctx: Context, job: JobRecord) -> Any:
    if job.message is None:
        return None
    try:
        inputs: Any = msgspec.json.decode(job.message.inputs)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    action = ctx.runtime.actions.get(job.message.action)
    # No secret is queued by us; a job of another release may still hold one under a name that is secret here.
    secret = {field.wire for field in action.schema.fields if field.secret} if action is not None else set[str]()
    return {name: MASK if name in secret else value for name, value in inputs.items()}


def _failed_runs(job: JobRecord) -> list[FailedRun]:
    return [
        FailedRun(
            failed.attempt,
            failed.at,
            JobFailure(failed.error.type, failed.error.message, failed.error.request_id, [*failed.error.fields]),
        )
        for failed in job.errors
    ]
