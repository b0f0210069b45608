"""How an answer leaves: its head and body as bytes, streams and files as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from antiphon.wire.faults import malformed
from antiphon.wire.pieces import FilePieces
from antiphon.wire.response import (
    Answer,
    FileResponse,
    Headers,
    Response,
    StreamResponse,
    Takeover,
    write_field,
)

if TYPE_CHECKING:
    from antiphon.wire.server.flow import Flow
    from antiphon.wire.server.request import ServerRequest
    from antiphon.wire.server.shared import Shared

# What leaves for each kind of answer. The promises behind it: an answer that ends normally is whole; one that broke
# off can be told from a whole one, because its last chunk is missing or bytes of its length are.
#
#   Response            head with the length, body: one write
#   StreamResponse      head, chunks; over HTTP/1.0, which has none, the end of the connection ends the body
#   FileResponse        head with the length, pieces of 256 KiB; a file that came up short ends the connection
#   HEAD, 204, 304      the head alone; 204 and 304 have no length (RFC 9110 §8.6)

CLOSE_FIELD = (b"connection", b"close")
CLOSE = b"connection: close\r\n"
KEEP = b"connection: keep-alive\r\n"

# When the task of an answer is cancelled: a call runs to its end, a file until nobody can take it any longer, and a
# stream until its client says that it sends no more.
NEVER, WHEN_LOST, AT_EOF = range(3)

_TURN = 16
"""Chunks after which a producer that never waits lets others have their turn."""


_SMALL = 1024
_LENGTHS = [b"content-length: %d\r\n\r\n" % size for size in range(_SMALL)]
"""The end of most heads, written out."""


class Outgoing(Protocol):
    """What an answer needs of its connection."""

    shared: Shared
    flow: Flow
    closing: bool
    """It ends with this answer."""

    def ending(self, request: ServerRequest | None, headers: Headers) -> bytes:
        """The line that says how the connection goes on after an answer with these headers."""
        ...

    def hush(self) -> None:
        """Take no further request: the end of the answer is that of the connection."""
        ...

    def write(self, data: bytes) -> None:
        """Write a part of an answer."""
        ...

    def cancel_when(self, news: int) -> None:
        """From here on the answer is cancelled at this news of its client."""
        ...

    def hand_over(self, head: bytes, protocol: asyncio.Protocol) -> None:
        """Give the transport to another protocol."""
        ...


def write_plain(connection: Outgoing, request: ServerRequest | None, answer: Response) -> bytes:
    """A whole answer, ready to be sent. Raises ValueError for a header that would be more than one."""
    shared, status, body, headers = connection.shared, answer.status, answer.body, answer.headers
    start = shared.starts.get(status) or shared.start(status)
    lines = b"x-request-id: " + answer.request_id.encode() + b"\r\n" if answer.request_id else b""
    # `ending` has nothing to say of most answers, and asking it costs more than to know that.
    if headers or connection.closing or request is None or not request.ended or request.version == "1.0":
        lines += b"".join([write_field(name, value) for name, value in headers])
        lines += connection.ending(request, headers)
    if status == 204 or status == 304:
        return b"".join((start, lines, answer.fixed.lines, b"\r\n"))
    size = len(body)
    length = _LENGTHS[size] if size < _SMALL else b"content-length: %d\r\n\r\n" % size
    if request is not None and request.method == "HEAD":
        body = b""
    return b"".join((start, lines, answer.fixed.lines, length, body))


def write_head(shared: Shared, status: int, headers: Headers, framing: bytes) -> bytes:
    """The head of an answer whose body comes later; `framing` are the lines about that."""
    start = shared.starts.get(status) or shared.start(status)
    return b"%b%b%b\r\n" % (start, b"".join([write_field(name, value) for name, value in headers]), framing)


async def pour(connection: Outgoing, request: ServerRequest, answer: Answer) -> None:
    """Send an answer that comes piece by piece, and close what it comes from whatever happens."""
    if type(answer) is StreamResponse:
        try:
            if not request.left:
                await _pour_stream(connection, request, answer)
        finally:
            # Plain iterators have nothing to close; generators do.
            if (close := getattr(answer.chunks, "aclose", None)) is not None:
                await close()
    elif type(answer) is FileResponse:
        try:
            await _pour_file(connection, request, answer)
        finally:
            if answer.on_sent is not None:
                answer.on_sent()
    elif type(answer) is Takeover and not request.ended:
        # The other protocol would take the rest of the body for its own first bytes.
        fault = malformed("A request for another protocol has no body.", close=True)
        connection.write(write_plain(connection, request, connection.shared.refuse(fault, request)))
    elif type(answer) is Takeover:
        connection.hand_over(write_head(connection.shared, 101, answer.headers, b""), answer.protocol)


async def _pour_stream(connection: Outgoing, request: ServerRequest, answer: StreamResponse) -> None:
    has_body = request.method != "HEAD" and answer.status not in (204, 304)
    chunked = request.version == "1.1"
    if not chunked:
        connection.hush()
    framing = connection.ending(request, answer.headers)
    if chunked and answer.status not in (204, 304):
        framing += b"transfer-encoding: chunked\r\n"
    connection.write(write_head(connection.shared, answer.status, answer.headers, framing))
    if not has_body:
        return
    connection.cancel_when(AT_EOF)
    sent = 0
    async for chunk in answer.chunks:
        if not chunk:
            continue
        connection.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunked else chunk)
        sent += 1
        if connection.flow.paused:
            await connection.flow.drained()
        elif not sent % _TURN:
            # The news that the client has gone could not arrive otherwise.
            await asyncio.sleep(0)
    if chunked:
        connection.write(b"0\r\n\r\n")


async def _pour_file(connection: Outgoing, request: ServerRequest, answer: FileResponse) -> None:
    framing = connection.ending(request, answer.headers)
    if answer.status not in (204, 304):
        framing += b"content-length: %d\r\n" % answer.count
    head = write_head(connection.shared, answer.status, answer.headers, framing)
    if request.method == "HEAD" or answer.status in (204, 304) or not answer.count:
        connection.write(head)
        return
    connection.cancel_when(WHEN_LOST)
    pieces = FilePieces(answer.path, answer.offset, answer.count)
    try:
        # What is wrong with the file shows here, while this can still be an answer of its own.
        await pieces.begin()
        async for piece in pieces:
            connection.write(head + piece)
            head = b""
            if connection.flow.paused:
                await connection.flow.drained()
    finally:
        pieces.close()
