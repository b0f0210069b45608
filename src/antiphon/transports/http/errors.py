"""The table from error to HTTP: statuses, the headers that belong to them, and the two forms of the body."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from math import ceil
from typing import Any

import msgspec

from antiphon.core.errors import (
    CallError,
    Conflict,
    Defect,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    TimedOut,
    TooLarge,
    TooManyCalls,
    Unavailable,
)
from antiphon.core.idempotency import KeyTaken
from antiphon.core.inputs.kinds import Struct
from antiphon.core.limits import OverLimit
from antiphon.transports.base import ErrorObject, Told, encode_error, error_object
from antiphon.transports.http.limits import problem_type
from antiphon.wire.faults import WireFault
from antiphon.wire.media import prefers
from antiphon.wire.request import Request
from antiphon.wire.response import Headers

STATUS: dict[type[CallError] | type[Defect], int] = {
    InvalidInput: 422,
    NotSignedIn: 401,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyCalls: 429,
    TooLarge: 413,
    TimedOut: 504,
    Unavailable: 503,
    Defect: 500,
}
"""Every error of calls. Faults of the wire carry their own status."""

PRECONDITION_FAILED = 412

JSON = "application/json"
PROBLEM = "application/problem+json"


class Problem(Struct, omit_defaults=True):
    """An error as problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    timestamp: datetime
    fields: Any = msgspec.UNSET
    retry_after: int | msgspec.UnsetType = msgspec.UNSET
    violated_policies: tuple[str, ...] | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="violated-policies"
    )


def status_of(error: Told, request: Request) -> int:
    """The status of an error. A conflict with what `If-Match` named is a failed precondition."""
    if isinstance(error, WireFault):
        return error.status
    if isinstance(error, Conflict) and not isinstance(error, KeyTaken) and request.header(b"if-match") is not None:
        return PRECONDITION_FAILED
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return STATUS[Defect]


def error_headers(error: Told) -> Headers:
    """The headers that belong to an error."""
    headers: Headers = list(error.headers) if isinstance(error, WireFault) else []
    named = {name for name, _ in headers}
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None and b"retry-after" not in named:
        headers.append((b"retry-after", str(max(1, ceil(retry_after))).encode()))
    if error.type == NotSignedIn.type and b"www-authenticate" not in named:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, WireFault) and error.close:
        headers.append((b"connection", b"close"))
    return headers


def error_body(error: Told, request: Request, request_id: str, at: datetime, public_url: str) -> tuple[bytes, bytes]:
    """The content type and the body of an error, as problem details where the client would rather have them."""
    if prefers(request.header(b"accept"), (JSON, PROBLEM)) != PROBLEM:
        return JSON.encode(), encode_error(error, request_id, at)
    told: ErrorObject = error_object(error, request_id, at)
    status = status_of(error, request)
    problem = Problem(
        type=problem_type(error) or f"{public_url}/docs/errors#{told.type}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=told.message,
        instance=f"urn:uuid:{request_id}",
        timestamp=told.timestamp,
        fields=told.fields,
        retry_after=told.retry_after,
        violated_policies=error.policies if isinstance(error, OverLimit) else msgspec.UNSET,
    )
    return PROBLEM.encode(), msgspec.json.encode(problem)
