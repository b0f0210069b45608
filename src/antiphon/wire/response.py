"""The shapes of an HTTP answer: bytes that are there, a stream that comes, a part of a file, another protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from os import PathLike
from typing import final

from msgspec import Struct

from antiphon.wire.request import Request

Headers = list[tuple[bytes, bytes]]
"""Header fields in the order in which they are sent; names in lower case."""


@final
class FixedHeaders:
    """Header fields that many answers share, written out once: `items` as they are, `lines` as HTTP/1.1 has them."""

    __slots__ = ("items", "lines")

    def __init__(self, items: Iterable[tuple[bytes, bytes]] = ()) -> None:
        self.items = list(items)
        self.lines = b"".join([write_field(name, value) for name, value in self.items])


REQUEST_ID = b"x-request-id"

_BREAKS = b"\r\n\0"
"""What no value of a header holds."""


def write_field(name: bytes, value: bytes) -> bytes:
    """One header as HTTP/1.1 has it. Raises ValueError for a value that would be more than one."""
    # What comes from users ends up in some headers (Location, file names): a line break would let them write others.
    # One pass that deletes them costs a quarter of looking for each of the three.
    if len(value.translate(None, _BREAKS)) != len(value):
        raise ValueError(f"The header {name.decode('latin-1')} holds a line break or NUL.")
    return b"%b: %b\r\n" % (name, value)


_NONE = FixedHeaders()

# The classes are final so that whoever writes an answer out may tell them apart by identity, which is the cheapest
# test there is. None of them carries Content-Length: it belongs to whoever writes the body, who alone knows whether
# there is one (HEAD, 204, 304).


@final
class Response(Struct, eq=False):
    """An answer whose whole body is there. Nothing here is changed while it is sent, so one may be sent many times.

    `headers` are this answer's own; those of `fixed` go out as well, and X-Request-Id, where `request_id` names one: it
    is our own, or was judged when a proxy gave it, and is written as it is.
    """

    status: int
    headers: Headers
    body: bytes = b""
    fixed: FixedHeaders = _NONE
    request_id: str = ""

    def items(self) -> Headers:
        """Every header as a pair of name and value, but for Content-Length."""
        items = [*self.headers, *self.fixed.items]
        if self.request_id:
            items.append((REQUEST_ID, self.request_id.encode()))
        return items

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


@final
class StreamResponse:
    """An answer whose body comes in chunks. `chunks` is closed in every case, also when it was never begun.

    The iterator is cancelled at its next wait when the client leaves. It is not run for HEAD. Empty chunks are
    dropped. Each chunk is held in memory while a slow client takes it, so chunks should be small.
    """

    __slots__ = ("chunks", "headers", "status")

    def __init__(self, status: int, headers: Headers, chunks: AsyncIterator[bytes]) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks

    def __repr__(self) -> str:
        return f"<StreamResponse {self.status}>"


@final
class FileResponse:
    """An answer whose body is the bytes `[offset, offset + count)` of a file, read off the loop as they are sent.

    `on_sent` runs afterwards in every case: sent, cut, refused, HEAD. It must not wait.
    """

    __slots__ = ("count", "headers", "offset", "on_sent", "path", "status")

    def __init__(
        self,
        status: int,
        headers: Headers,
        path: str | PathLike[str],
        offset: int,
        count: int,
        on_sent: Callable[[], None] | None = None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.path = path
        self.offset = offset
        self.count = count
        self.on_sent = on_sent

    def __repr__(self) -> str:
        return f"<FileResponse {self.status}, {self.count} bytes>"


@final
class Takeover:
    """An answer of 101, after which the connection speaks another protocol (RFC 9110 §7.8): `protocol` goes on with it.

    It is given the transport, and whatever the client sent after its request. Only our own server can do this.
    """

    __slots__ = ("headers", "protocol")

    status = 101

    def __init__(self, headers: Headers, protocol: asyncio.Protocol) -> None:
        self.headers = headers
        self.protocol = protocol

    def __repr__(self) -> str:
        return f"<Takeover by {type(self.protocol).__name__}>"


Answer = Response | StreamResponse | FileResponse | Takeover
"""What `respond` gives for a request."""

type Respond = Callable[[Request], Answer | Awaitable[Answer]]
"""What answers a request: at once, or with something to await."""

NOT_AT_ONCE = (StreamResponse, FileResponse, Takeover)
"""The answers that are there and yet take their time to send."""

type Later = StreamResponse | FileResponse | Takeover | Awaitable[Answer]
"""Every answer that cannot be written here and now."""

DEFECT = Response(
    500,
    [(b"content-type", b"application/json"), (b"cache-control", b"no-store")],
    b'{"error":{"type":"DEFECT","message":"Something went wrong on our side."}}',
)
"""What is answered when nothing else can be; nothing of the cause is in it, in any environment."""
