"""An HTTP request as an ASGI server tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from types import CoroutineType
from typing import Any, final
from urllib.parse import quote

from antiphon.wire.asgi_head import UNKNOWN, AsgiHead, AsgiHeads
from antiphon.wire.faults import malformed, too_large
from antiphon.wire.lifespan import Event, Receive
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.stepping import Stepped

# How far the body has been taken.
_UNTOUCHED, _BEGUN, _ENDED = 0, 1, 2
# Over HTTP/2 and 3 a body needs no announcement, so its absence is only certain where methods have none.
_USUALLY_EMPTY = frozenset(("GET", "HEAD", "OPTIONS", "DELETE"))


@final
class AsgiRequest(Request):
    """One request of the ASGI `http` scope; headers are scanned when asked for and the body is received when read."""

    _watch: asyncio.Task[None] | None = None
    _asked: Awaitable[Event] | None = None
    """What the server was asked for and has not given yet."""

    def __init__(self, scope: dict[str, Any], receive: Receive, heads: AsgiHeads | None = None) -> None:
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
        self.version = scope["http_version"]
        self._scope = scope
        self._receive = receive
        self.head = head = AsgiHead(scope["headers"], scope.get("scheme", "http")) if heads is None else heads.of(scope)
        self.scheme = head.scheme
        self._length = head.length
        self._progress = _UNTOUCHED
        self.has_body = self._length != 0 or (self.version[0] != "1" and self._may_be_silent())

    @property
    def peer(self) -> str:
        client = self._scope.get("client")
        return client[0] if client else ""

    async def body(self, limit_bytes: int) -> bytes:
        asked, self._asked = self._asked, None
        if asked is None:
            self._begin(limit_bytes)
            if self._progress == _ENDED:
                return b""
            asked = self._receive()
        first = self._take(await asked)
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
            piece = self._take(await self._receive())

    def body_now(self, limit_bytes: int) -> bytes | None:
        # Whether the server has the body can only be seen by asking for it. What it gives later, `body` goes on with.
        if self._asked is None:
            self._begin(limit_bytes)
            if self._progress == _ENDED:
                return b""
            asked: Any = self._receive()
            if asked.__class__ is CoroutineType:
                begun: Stepped[Event] = Stepped(asked)
                if begun.begin() and _is_whole(begun.result, limit_bytes):
                    return self._take(begun.result)
                asked = begun
            self._asked = asked
        return None

    async def chunks(self, limit_bytes: int) -> AsyncIterator[bytes]:
        self._begin(limit_bytes)
        total = 0
        while self._progress != _ENDED:
            piece = self._take(await self._receive())
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
            self._stop_asking()
            if self._progress == _UNTOUCHED:
                # From here on the body is dropped; reading it later would miss a part.
                self._progress = _BEGUN if self.has_body else _ENDED
            self._watch = asyncio.create_task(self._await_leaving())
        return self._watch

    def release(self) -> None:
        """Ask the server for nothing more: what it says after an answer is not the client's leaving."""
        if self._asked is not None:
            self._stop_asking()
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
        self._stop_asking()
        # With a watch under way it is the watch that throws away.
        while self._watch is None and self._progress != _ENDED and dropped <= limit_bytes:
            dropped += len(self._take(await self._receive()))

    # the body

    def _may_be_silent(self) -> bool:
        return self.method not in _USUALLY_EMPTY and self.header(b"content-length") is None

    def _begin(self, limit_bytes: int) -> None:
        if self._progress != _UNTOUCHED:
            raise RuntimeError("The body was read already, or nobody was to read it; keep what the first read gave.")
        length = self._length
        if length == UNKNOWN:
            self._check_coding()
        if length > limit_bytes:
            raise too_large(limit_bytes)
        self._progress = _BEGUN if self.has_body else _ENDED

    def _check_coding(self) -> None:
        coding = self.header(b"transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or self.version == "1.0"):
            # A server that read more of it than the one before us would find another request in it (RFC 9112 §6.1).
            raise malformed("The Transfer-Encoding is not chunked alone.", close=True)

    def _take(self, event: Event) -> bytes:
        if event["type"] != "http.request":
            self.left = True
            raise ClientLeft
        if not event.get("more_body", False):
            self._progress = _ENDED
        return event.get("body", b"")

    def _stop_asking(self) -> None:
        """Let go of a body that was asked for and then not awaited; a server has one receiver at a time."""
        asked, self._asked = self._asked, None
        if isinstance(asked, Stepped):
            asked.close()

    async def _await_leaving(self) -> None:
        try:
            while True:
                self._take(await self._receive())
        except (ClientLeft, OSError):
            self.left = True


def _is_whole(event: Event, limit_bytes: int) -> bool:
    return (
        event["type"] == "http.request"
        and not event.get("more_body", False)
        and len(event.get("body", b"")) <= limit_bytes
    )


def _below(root: str, path: bytes) -> bytes:
    """The path as seen from where this application is mounted; ASGI puts the mount in front of it."""
    prefix = quote(root.rstrip("/"), safe="/:@!$&'()*+,;=~").encode()
    rest = path.removeprefix(prefix)
    return rest if len(rest) < len(path) and rest[:1] == b"/" else path
