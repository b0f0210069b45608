"""The three shapes of an HTTP answer: bytes that are there, a stream that comes, and a part of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from os import PathLike
from typing import final

Headers = list[tuple[bytes, bytes]]
"""Header fields in the order in which they are sent; names in lower case."""

# The classes are final so that whoever writes an answer out may tell them apart by identity, which is the cheapest
# test there is. None of them carries Content-Length: it belongs to whoever writes the body, who alone knows whether
# there is one (HEAD, 204, 304).


@final
class Response:
    """An answer whose whole body is there. Nothing here is changed while it is sent, so one may be sent many times."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body

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


Answer = Response | StreamResponse | FileResponse
"""What `respond` gives for a request."""
