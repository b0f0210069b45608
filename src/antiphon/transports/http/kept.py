"""Content that stays the same while the process lives: made at first use, and compressed once for each coding."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from antiphon.transports.http.answers import VARY_CODING
from antiphon.transports.http.connection import NO_PATH_INPUTS
from antiphon.wire.conditional import EntityTag, not_modified, strong_tag, tag_of_bytes
from antiphon.wire.encoding import encoded_tag, is_compressible
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, Headers, Response

if TYPE_CHECKING:
    from antiphon.transports.http.server import Server

SHARED = (b"cache-control", b"public, max-age=3600")
"""For what is the same for everybody: a browser asks again after an hour."""


class Kept:
    """A page whose bytes are kept in memory from its first use on, plain and in each coding that was asked for."""

    def __init__(self, server: Server, kind: str, headers: Headers, make: Callable[[], bytes]) -> None:
        self._server = server
        self._kind = kind
        self._headers = headers
        self._make = make
        self._tag: EntityTag | None = None
        self._bodies: dict[str | None, bytes] = {}
        self._making = asyncio.Lock()

    async def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /) -> Answer:
        """The content, or the word that the client has it already."""
        server = self._server
        plain, tag = await self._content()
        headers: Headers = [
            (REQUEST_ID, server.request_id(request).encode()),
            (b"content-type", self._kind.encode()),
            *self._headers,
            VARY_CODING,
        ]
        same = not_modified(
            if_none_match=request.header(b"if-none-match"), if_modified_since=None, current=tag, modified_at=None
        )
        if same is not None:
            return server.finish(request, Response(304, [*headers, (b"etag", same.encode())]))
        coding = None
        if is_compressible(self._kind, len(plain)):
            coding = server.coding.negotiate(request.header(b"accept-encoding"))
        if coding is None:
            headers.append((b"etag", str(tag).encode()))
            return server.finish(request, Response(200, headers, plain))
        headers += [(b"content-encoding", coding.encode()), (b"etag", encoded_tag(str(tag), coding).encode())]
        return server.finish(request, Response(200, headers, await self._encoded(plain, coding)))

    async def _content(self) -> tuple[bytes, EntityTag]:
        # The lock keeps a thousand first requests from making it a thousand times.
        if self._tag is None:
            async with self._making:
                if self._tag is None:
                    body = await asyncio.to_thread(self._make)
                    self._bodies[None] = body
                    # A strong tag: it is a digest of all the bytes.
                    self._tag = strong_tag(tag_of_bytes(body).value)
        return self._bodies[None], self._tag

    async def _encoded(self, plain: bytes, coding: str) -> bytes:
        if coding not in self._bodies:
            async with self._making:
                if coding not in self._bodies:
                    self._bodies[coding] = await self._server.coding.compress_off_loop(plain, coding)
        return self._bodies[coding]
