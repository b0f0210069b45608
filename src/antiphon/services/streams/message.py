"""Every message that jobs and events travel as: its fields, its bytes, and what is wrong with bytes that are none."""

# A job message is JSON and never changes once it is written; what changes (state, attempts, errors) stands in the job's
# hash (records.py). An event is a CloudEvent 1.0 in structured JSON (https://github.com/cloudevents/spec, §3 of the
# JSON format). Fields with a default are left out while they have it.
#
#   bytes that are                               raise
#   no JSON, or JSON of another shape            Undecodable       quarantined, with the bytes
#   JSON with a `v` that is not ours             UnknownVersion    put back: a newer worker knows it
#   over the bound                               TooLarge          nobody takes them

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from antiphon.core.caller import CallerKind
from antiphon.core.errors import Fault, TooLarge
from antiphon.core.job import Priority

VERSION = 1
MOST_MESSAGE_BYTES = 262_144
MOST_EVENT_BYTES = 65_536
MOST_RESULT_BYTES = 65_536


class CallerRef(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Who asked for a job, by id: roles are read when it runs. `via` is the transport.

    `permissions` are those of the API key that was shown, which hold for its jobs too; None for all of the roles'.
    """

    kind: CallerKind
    id: str
    tenant_id: str
    via: str
    permissions: tuple[str, ...] | None = None


class BatchRef(msgspec.Struct, frozen=True, rename="camel"):
    """The place of a child in its batch, from 0. The job that runs `then` has the index -1."""

    id: str
    index: int
    count: int


class Lane(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A cap that a job runs under: at most `limit` jobs of its queue with this key at a time, first in, first out.

    `key` is `digest_of(text)`. With `blocks`, a dead job keeps its place until somebody requeues or drops it.
    """

    key: str
    limit: int
    blocks: bool = False


class JobMessage(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True):
    """A job as it travels. `inputs` is the call's inputs as JSON; a listener's job has the CloudEvent there.

    `schema` is a digest of the action's inputs, `key` the text of what keeps its order, for people; `lanes` are the
    caps it runs under. `unique` is the digest of its unique key, and `window` how many seconds that holds at least.
    `keep` is how many seconds its end is kept. `once` names its effects when the job's id does not.
    """

    # A factory's default is always written.
    v: int = msgspec.field(default_factory=lambda: VERSION)
    id: str
    action: str
    schema: str
    inputs: msgspec.Raw
    caller: CallerRef
    request_id: str
    traceparent: str
    tracestate: str
    key: str
    priority: Priority
    attempts: int
    due_at: datetime | None
    batch: BatchRef | None
    enqueued_at: datetime
    lanes: tuple[Lane, ...] = ()
    unique: str = ""
    window: float | None = None
    keep: float | None = None
    once: str = ""
    replay: bool = False


class JobError(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why an attempt failed, as it may be shown: an error's type and message, never a traceback."""

    type: str
    message: str
    request_id: str = ""
    fields: Sequence[Fault] = ()


class CloudEvent(
    msgspec.Struct, frozen=True, rename=lambda name: name.replace("_", ""), omit_defaults=True, kw_only=True
):
    """An event as it travels and is kept: CloudEvents 1.0, with our extensions. `data` is JSON."""

    # A factory's default is always written.
    spec_version: Literal["1.0"] = msgspec.field(default_factory=lambda: "1.0", name="specversion")
    id: str
    source: str
    type: str
    time: datetime
    data: msgspec.Raw
    subject: str = ""
    data_content_type: str = msgspec.field(default_factory=lambda: "application/json", name="datacontenttype")
    data_schema: str = ""
    data_version: int = msgspec.field(default_factory=lambda: 1, name="dataversion")
    partition_key: str = ""
    tenant_id: str = ""
    caller_id: str = ""
    request_id: str = ""
    traceparent: str = ""
    tracestate: str = ""


class Undecodable(Exception):
    """These bytes are no message."""


class UnknownVersion(Exception):
    """This is a message of another release."""


class _Versioned(msgspec.Struct):
    v: int


_ENCODER = msgspec.json.Encoder()
_JOB = msgspec.json.Decoder(JobMessage)
_EVENT = msgspec.json.Decoder(CloudEvent)
_ERROR = msgspec.json.Decoder(JobError)
_VERSIONED = msgspec.json.Decoder(_Versioned)


def encode_job(message: JobMessage) -> bytes:
    """The bytes of a job. Raises TooLarge over 256 KiB."""
    return _bounded(_ENCODER.encode(message), MOST_MESSAGE_BYTES, "A job")


def decode_job(data: bytes) -> JobMessage:
    """The job that these bytes are. Raises Undecodable or UnknownVersion."""
    try:
        message = _JOB.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if _version(data) > VERSION:
            raise UnknownVersion from None
        raise Undecodable(str(error)) from None
    if message.v > VERSION:
        raise UnknownVersion
    return message


def encode_event(event: CloudEvent) -> bytes:
    """The bytes of an event. Raises TooLarge over 64 KiB."""
    return _bounded(_ENCODER.encode(event), MOST_EVENT_BYTES, "An event")


def decode_event(data: bytes | msgspec.Raw) -> CloudEvent:
    """The event that these bytes are. Raises Undecodable."""
    try:
        return _EVENT.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from None


def encode_error(error: JobError) -> bytes:
    """The bytes of an error, on one line."""
    return _ENCODER.encode(error)


def decode_error(data: bytes) -> JobError:
    """The error that these bytes are."""
    return _ERROR.decode(data)


def fitting(result: Any) -> bytes | None:
    """A result as it is kept, or None when it is over 64 KiB."""
    data = result if isinstance(result, bytes) else _ENCODER.encode(result)
    return data if len(data) <= MOST_RESULT_BYTES else None


def _version(data: bytes) -> int:
    try:
        return _VERSIONED.decode(data).v
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 0


def _bounded(data: bytes, most: int, what: str) -> bytes:
    if len(data) > most:
        raise TooLarge(f"{what} may have {most:,} bytes, and this one has {len(data):,}. Pass a reference instead.")
    return data
