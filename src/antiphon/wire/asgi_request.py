"""An HTTP request as an ASGI server tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, final
from urllib.parse import quote

from antiphon.wire.faults import malformed, too_large
from antiphon.wire.head import Field, Head, HeadBounds, join
from antiphon.wire.lifespan import Receive
from antiphon.wire.request import ClientLeft, Request

# How far the body has been taken.
_UNTOUCHED, _BEGUN, _ENDED = 0, 1, 2
# What was announced of it, beside a number of bytes.
_UNKNOWN = -1
_FRAMING = frozenset((b"content-length", b"transfer-encoding"))
# Over HTTP/2 and 3 a body needs no announcement, so its absence is only certain where methods have none.
_USUALLY_EMPTY = frozenset(("GET", "HEAD", "OPTIONS", "DELETE"))


@final
class AsgiHead(Head):
    """The headers of the ASGI scope, looked into when somebody asks."""

    __slots__ = ("_fields", "_index")

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields
        self._index: dict[bytes, bytes] | None = None
        self.notes = 0

    def get(self, name: bytes) -> str | None:
        index = self._index
        if index is None:
            index = self._index = dict(self._fields)
        if len(index) == len(self._fields):
            found = index.get(name)
            return None if found is None else found.decode("latin-1")
        return join(name, [value for key, value in self._fields if key == name])

    def has_any(self, names: frozenset[bytes]) -> bool:
        index = self._index
        if index is None:
            index = self._index = dict(self._fields)
        return not names.isdisjoint(index)

    def values(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for key, value in self._fields if key == name]

    def items(self) -> Sequence[Field]:
        return self._fields

    def check(self, bounds: HeadBounds) -> None:
        bounds.check_fields(self._fields)


@final
class AsgiRequest(Request):
    """One request of the ASGI `http` scope; headers are scanned when asked for and the body is received when read."""

    def __init__(self, scope: dict[str, Any], receive: Receive) -> None:
        self.method = scope["method"]
        path = scope.get("raw_path")
        if path is None:
            # Optional in ASGI. What was encoded once more than needed, such as %2F, cannot be told any longer.
            path = quote(scope["path"], safe="/:@!$&'()*+,;=~").encode()
        elif b"?" in path:
            path = path[: path.index(b"?")]
        if scope.get("root_path"):
            path = _below(scope["root_path"], path)
        self.path = path
        self.query = scope["query_string"]
        self.scheme = scope.get("scheme", "http")
        self.version = scope["http_version"]
        self._scope = scope
        self._receive = receive
        self._headers: Sequence[Field] = scope["headers"]
        self.head = AsgiHead(self._headers)
        self._progress = _UNTOUCHED
        self._announced = announced = self._announced_bytes()
        self.has_body = announced != 0
        self.ended = not self.has_body
        self._watch: asyncio.Task[None] | None = None

    @property
    def peer(self) -> str:
        client = self._scope.get("client")
        return client[0] if client else ""

    async def body(self, limit_bytes: int) -> bytes:
        self._begin(limit_bytes)
        if self._progress == _ENDED:
            return b""
        first = await self._next()
        if self._progress == _ENDED and len(first) <= limit_bytes:
            return first
        # Joined at the end, and refused before the piece that is too much is added.
        pieces: list[bytes] = []
        total = 0
        piece = first
        while True:
            total += len(piece)
            if total > limit_bytes:
                raise too_large(limit_bytes)
            pieces.append(piece)
            if self._progress == _ENDED:
                return b"".join(pieces)
            piece = await self._next()

    async def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        self._begin(limit_bytes)
        total = 0
        while self._progress != _ENDED:
            piece = await self._next()
            total += len(piece)
            if total > limit_bytes:
                raise too_large(limit_bytes)
            if piece:
                yield piece

    async def wait_until_left(self) -> None:
        # Shielded: several may wait, and one of them giving up must not blind the others.
        await asyncio.shield(self.watch())

    # for the adapter

    def watch(self) -> asyncio.Task[None]:
        """The one task that waits for the client to go; a server may tell it to a single receiver only."""
        if self._watch is None:
            if self._progress == _UNTOUCHED:
                # From here on the body is dropped; reading it later would miss a part.
                self._progress = _BEGUN if self.has_body else _ENDED
            self._watch = asyncio.create_task(self._await_leaving())
        return self._watch

    def release(self) -> None:
        """End the watch, if there is one: the server's word after an answer is not the client's leaving."""
        if self._watch is not None:
            self._watch.cancel()

    def is_unread(self) -> bool:
        """Whether a body was announced and not read to its end."""
        return self._progress != _ENDED and self.has_body

    def is_held_back(self) -> bool:
        """Whether the client sends its body only after a `100 Continue` that it did not get."""
        return self._progress == _UNTOUCHED and self.header(b"expect") is not None

    async def drop_rest(self, limit_bytes: int) -> None:
        """Throw away what comes until the body ends, the client leaves, or more than `limit_bytes` have come."""
        dropped = 0
        # With a watch under way it is the watch that throws away.
        while self._watch is None and self._progress != _ENDED and dropped <= limit_bytes:
            dropped += len(await self._next())

    # the body

    def _announced_bytes(self) -> int:
        # Every request comes by here, most without a body: one look-up for each header, and not two comparisons.
        for name, value in self._headers:
            if name in _FRAMING:
                announced = _length(value) if name == b"content-length" else _UNKNOWN
                if announced:
                    return announced
        return _UNKNOWN if self.version[0] != "1" and self._may_be_silent() else 0

    def _may_be_silent(self) -> bool:
        return self.method not in _USUALLY_EMPTY and self.header(b"content-length") is None

    def _begin(self, limit_bytes: int) -> None:
        if self._progress != _UNTOUCHED:
            raise RuntimeError("The body was read already, or nobody was to read it; keep what the first read gave.")
        announced = self._announced
        if announced == _UNKNOWN:
            self._check_coding()
        if announced > limit_bytes:
            raise too_large(limit_bytes)
        self._progress = _BEGUN if announced else _ENDED

    def _check_coding(self) -> None:
        coding = self.header(b"transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or self.version == "1.0"):
            # A server that read more of it than the one before us would find another request in it (RFC 9112 §6.1).
            raise malformed("The Transfer-Encoding is not chunked alone.", close=True)

    async def _next(self) -> bytes:
        event = await self._receive()
        if event["type"] != "http.request":
            self.left = True
            raise ClientLeft
        if not event.get("more_body", False):
            self._progress = _ENDED
        return event.get("body", b"")

    async def _await_leaving(self) -> None:
        try:
            while True:
                await self._next()
        except (ClientLeft, OSError):
            self.left = True


def _length(value: bytes) -> int:
    # Servers check this. One that does not gets a body of unknown length, which is bounded while it is read.
    if not value.isdigit():
        return _UNKNOWN
    return int(value) if len(value) < 18 else 10**18


def _below(root: str, path: bytes) -> bytes:
    """The path as seen from where this application is mounted; ASGI puts the mount in front of it."""
    prefix = quote(root.rstrip("/"), safe="/:@!$&'()*+,;=~").encode()
    rest = path.removeprefix(prefix)
    return rest if len(rest) < len(path) and rest[:1] == b"/" else path
