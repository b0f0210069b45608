"""What transports share: the one object in which every wire tells an error."""

from __future__ import annotations

from datetime import datetime
from math import ceil

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.core.errors import CallError, Defect, Fault, TransportFault
from antiphon.core.inputs.kinds import Struct


class ErrorObject(Struct):
    """An error as a caller is told it, on every wire. `retry_after` is in whole seconds."""

    type: str
    message: str
    request_id: str
    timestamp: datetime
    fields: tuple[Fault, ...] | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET


class ErrorEnvelope(Struct):
    """The object under its one name, so that an error is never taken for a result."""

    error: ErrorObject


type Told = CallError | Defect | TransportFault
"""What a transport may tell; everything else has become a Defect before it gets here."""


def error_object(error: Told, request_id: str, at: datetime) -> ErrorObject:
    """The error in the words of the wire."""
    fields = error.fields if isinstance(error, CallError) and error.fields else UNSET
    retry_after = getattr(error, "retry_after", None)
    return ErrorObject(
        type=error.type,
        message=getattr(error, "message", "") or str(error),
        request_id=request_id,
        timestamp=at.replace(microsecond=0),
        fields=fields,
        retry_after=UNSET if retry_after is None else max(1, ceil(retry_after)),
    )


def encode_error(error: Told, request_id: str, at: datetime) -> bytes:
    """The error as JSON."""
    return msgspec.json.encode(ErrorEnvelope(error_object(error, request_id, at)))
