"""What transports share: the one object in which every wire tells an error, and how sockets open through HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from math import ceil
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec
from msgspec import UNSET, UnsetType

from antiphon.core.connection import Connection
from antiphon.core.errors import CallError, Defect, Fault, TransportFault
from antiphon.core.inputs.kinds import Struct
from antiphon.wire.websocket.face import Inbox


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


class SocketOpening(NamedTuple):
    """The word that a socket may open: who is told what it says, how long a message may be, and what is spoken."""

    inbox: Inbox
    limit_bytes: int
    subprotocols: Sequence[str] = ()
    deflates: bool = False


class SocketDoor(Protocol):
    """Decides who may open a socket: what a transport of sockets is to HTTP, through which they come."""

    async def open(self, handshake: Connection, query: bytes) -> SocketOpening:
        """Let a client in, or raise what it is told. `handshake` is its end of the request, `query` that of its URL."""
        ...


@runtime_checkable
class HttpSurface(Protocol):
    """What HTTP is to a transport whose clients come through it."""

    draining: asyncio.Event
    """Set once the server takes no new clients."""

    drain_seconds: float
    """How long running calls have then."""

    def is_proxy(self, address: str) -> bool:
        """Whether this is the address of a proxy that is trusted, behind which many may stand."""
        ...

    def add_socket(self, path: str, door: SocketDoor) -> None:
        """Open sockets at this path, after the request has passed what every request passes, and its origin."""
        ...
