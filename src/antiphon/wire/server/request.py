"""A request as our own server hands it up: its head is there, its body may still be on its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Protocol, final

from antiphon.wire.faults import WireFault, request_timeout, too_large
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.chunked import ChunkedBody
from antiphon.wire.server.fields import CHUNKED, Fields

if TYPE_CHECKING:
    from antiphon.wire.server.flow import Flow

HELD_BYTES = 64 * 1024
"""How much of a body is held for a reader that has not come yet; beyond it the client is held back."""

# Who does what with a body:
#
#   connection   `feed`: bytes as they arrive, until `ended`; `leave` when the client goes; `fail` when it is too slow
#   layer above  `body`, `chunks`, or neither
#
# The client is held back (its connection is not read) while more is held than a reader wants: one piece for whoever
# takes pieces, 64 KiB for whoever has not asked yet, everything up to its limit for whoever takes the whole.


class Line(Protocol):
    """What a request needs of its connection."""

    scheme: str
    peer: str
    flow: Flow

    def await_body(self, *, invite: bool) -> None:
        """Begin to expect a body, and ask for it when the client waits for that."""
        ...


@final
class ServerRequest(Request):
    """One request of one connection."""

    # Most requests have no body, and nobody waits for their client to leave: what belongs to that is made when it is.
    watchers: list[asyncio.Future[None]] | None = None
    """Who waits for the client's leaving."""
    _news: asyncio.Future[None] | None = None
    _chunked: ChunkedBody | None = None
    _fault: WireFault | None = None
    _dropping = False
    _left_bytes = _held = 0
    _pieces: list[bytes]

    def __init__(self, connection: Line, method: str, path: bytes, query: bytes, version: str, fields: Fields) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.version = version
        self.head = self.fields = fields
        self.scheme = connection.scheme
        self._connection = connection
        # What most bodies change is not left to the class: what covers an attribute of its class is slow to find.
        self.arrived_bytes = 0
        self._asked = False
        self._whole: bytes | None = None
        self.has_body = has_body = fields.length != 0
        self.ended = not has_body
        """All of it has arrived, its body as well."""

    def begin_body(self, data: bytes) -> bytes:
        """Take what came behind the head if the body is whole with it; gives back what `feed` is to be given."""
        length = self.fields.length
        if 0 < length <= len(data):
            # All of it is there, which is how most bodies come.
            self.arrived_bytes = length
            self.ended = True
            if length == len(data):
                self._whole = data
                return b""
            self._whole = data[:length]
            return data[length:]
        self._pieces = []
        self._left_bytes = length
        if length == CHUNKED:
            self._chunked = ChunkedBody()
        return data

    # for the layer above

    @property
    def peer(self) -> str:
        return self._connection.peer

    async def body(self, limit_bytes: int) -> bytes:
        if not self._begin(limit_bytes):
            return b""
        while True:
            if self._held > limit_bytes:
                raise too_large(limit_bytes)
            if self.ended:
                break
            await self._arrival()
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def body_now(self, limit_bytes: int) -> bytes | None:
        whole = self._whole
        if whole is not None and not self._asked and len(whole) <= limit_bytes:
            self._asked, self._whole = True, None
            return whole
        if not self.ended:
            return None
        if not self._begin(limit_bytes):
            return b""
        if self._held > limit_bytes:
            raise too_large(limit_bytes)
        pieces, self._pieces = self._pieces, []
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        if not self._begin(limit_bytes):
            return
        total = 0
        while True:
            pieces, self._pieces, self._held = self._pieces, [], 0
            for piece in pieces:
                total += len(piece)
                if total > limit_bytes:
                    raise too_large(limit_bytes)
                yield piece
            if not self._pieces:
                if self.ended:
                    return
                await self._arrival()

    def _begin(self, limit_bytes: int) -> bool:
        """Whether there is a body to read."""
        length = self.fields.length
        if length == 0:
            return False
        if self._asked or self._dropping:
            raise RuntimeError("The body was read already, or nobody was to read it; keep what the first read gave.")
        if length > limit_bytes:
            raise too_large(limit_bytes)
        self._asked = True
        if self._whole is not None:
            self._pieces, self._held, self._whole = [self._whole], length, None
        if not self.ended:
            held_back = self.fields.expects and not self.arrived_bytes and self.version == "1.1"
            self._connection.await_body(invite=held_back)
        return True

    async def _arrival(self) -> None:
        """Wait for more of the body, or raise what keeps it from coming."""
        if self._fault is not None:
            raise self._fault
        if self.left:
            raise ClientLeft
        self._news = asyncio.get_running_loop().create_future()
        self._connection.flow.let_go()
        try:
            await self._news
        finally:
            self._news = None
        if self._fault is not None:
            raise self._fault
        if self.left and not self.ended:
            raise ClientLeft

    async def wait_until_left(self) -> None:
        if self.left:
            return
        if not self.ended:
            # From here on the body is dropped; reading it later would miss a part.
            self._dropping = True
            self._connection.flow.let_go()
        watcher = asyncio.get_running_loop().create_future()
        if self.watchers is None:
            self.watchers = []
        self.watchers.append(watcher)
        await watcher

    # for the connection

    @property
    def is_held_back(self) -> bool:
        """Whether the client sends its body only after a `100 Continue` that it did not get."""
        return not self.ended and self.fields.expects and not self._asked and not self.arrived_bytes

    @property
    def is_full(self) -> bool:
        """Whether as much of its body is held as may be."""
        return not self.ended and self._held > HELD_BYTES

    def check_rate(self, seconds: float, bounds: Bounds) -> None:
        """Give a body up that somebody waits for and that has come too slowly for so long."""
        if self._news is not None and seconds > bounds.rate_after_seconds:
            if self.arrived_bytes < seconds * bounds.rate_bytes:
                self.fail(request_timeout("The body comes too slowly."))

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to the body; gives back what follows it. Raises WireFault when it cannot be read."""
        before = len(self._pieces)
        if self._chunked is not None:
            rest = self._chunked.feed(data, self._pieces)
            self.ended = self._chunked.ended
        else:
            piece = data if len(data) <= self._left_bytes else data[: self._left_bytes]
            rest = data[len(piece) :]
            self._pieces.append(piece)
            self._left_bytes -= len(piece)
            self.ended = self._left_bytes == 0
        new = sum(map(len, self._pieces[before:]))
        self.arrived_bytes += new
        self._held += new
        if self._dropping:
            self._pieces.clear()
            self._held = 0
        elif self._news is not None:
            if (new or self.ended) and not self._news.done():
                self._news.set_result(None)
        elif self._held > HELD_BYTES and not self.ended:
            self._connection.flow.hold_back()
        return rest

    def fail(self, fault: WireFault) -> None:
        """The rest of the body will not come: whoever reads it is told why."""
        self._fault = fault
        self._wake()

    def leave(self) -> None:
        """The client has gone."""
        self.left = True
        for watcher in self.watchers or ():
            if not watcher.done():
                watcher.set_result(None)
        if not self.ended:
            self._wake()

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def release(self) -> None:
        """The answer is out: nobody may wait for the client's leaving any longer."""
        for watcher in self.watchers or ():
            watcher.cancel()
