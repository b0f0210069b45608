"""Our own server on a real socket, which keeps what it was asked and answers by path."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Self

from antiphon.testing.raw import RawHttp
from antiphon.testing.waiting import wait_until
from antiphon.wire.faults import WireFault, method_not_allowed
from antiphon.wire.request import Request, check_expectation
from antiphon.wire.response import Answer, Headers, Response, StreamResponse
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.listener import Listener, is_loopback
from antiphon.wire.server.shared import Member

HOST = "127.0.0.1"
TEXT: Headers = [(b"content-type", b"text/plain; charset=utf-8")]
MOST_BYTES = 1024 * 1024
"""How much of a body the paths that read it take."""

type Respond = Callable[[Request], Answer | Awaitable[Answer]]


@dataclass
class Asked:
    """One request as it was handed up; `body` is None until it was read to its end."""

    method: str
    path: bytes
    query: bytes
    version: str
    headers: list[tuple[bytes, bytes]]
    body: bytes | None = field(default=None, compare=False)

    @property
    def whole(self) -> tuple[object, ...]:
        """All of it, to compare."""
        return self.method, self.path, self.query, self.version, self.headers, self.body


def text(body: str | bytes, status: int = 200) -> Response:
    """A plain answer."""
    return Response(status, TEXT, body if isinstance(body, bytes) else body.encode())


def told(fault: WireFault) -> Response:
    """The answer that the layer above would make of a fault."""
    ending = [(b"connection", b"close")] if fault.close else []
    return Response(fault.status, [*TEXT, *fault.headers, *ending], fault.type.encode())


async def pieces(count: int, size: int = 4) -> AsyncIterator[bytes]:
    """So many pieces, with a turn for everybody else between them."""
    for number in range(count):
        await asyncio.sleep(0)
        yield b"%0*d" % (size, number)


class Stage:
    """One listener in the loop of the test.

    Paths: `/body` and `/chunks` answer with the body they read, `/deaf` reads none, `/later` waits for others first,
    `/gate` waits for `gate`, `/stream` gives three pieces; whatever is in `plays` is answered by that, all else at
    once with its path. `defects` are those that were reported; a test that expects some claims them. `buffer_bytes`
    makes what the system holds for either side small, so that little is enough to fill it.
    """

    def __init__(
        self, bounds: Bounds | None = None, *, is_local: Callable[[str], bool] = is_loopback, buffer_bytes: int = 0
    ) -> None:
        self.asked: list[Asked] = []
        self.defects: list[Exception] = []
        self.exhausted: list[OSError] = []
        self.gate = asyncio.Event()
        self.plays: dict[bytes, Respond] = {}
        self.plays_all: Respond | None = None
        self.refuses: Callable[[WireFault], Response] = told
        self.most_bytes = MOST_BYTES
        self._bounds = bounds or Bounds()
        self._is_local = is_local
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        if buffer_bytes:
            # Accepted sockets have these from the one that listens.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        self.port: int = self._socket.getsockname()[1]
        self.listener: Listener

    async def __aenter__(self) -> Self:
        self.listener = Listener(
            self.respond,
            refuse=lambda fault, _: self.refuses(fault),
            report=self.defects.append,
            exhausted=self.exhausted.append,
            exempt=lambda _: False,
            bounds=self._bounds,
            is_local=self._is_local,
        )
        self.listener.open([self._socket])
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            self.gate.set()
            await wait_until(lambda: not len(self.listener), "a connection was never closed")
        finally:
            await self.listener.finish(0)
        assert not self.defects, f"the test did not expect these defects: {self.defects}"

    def connect(self, *, receive_bytes: int | None = None) -> AbstractAsyncContextManager[RawHttp]:
        """A connection to the server, for a block."""
        return RawHttp.to(HOST, self.port, receive_bytes=receive_bytes)

    @property
    def connections(self) -> list[Member]:
        """The server's ends of what is open."""
        return list(self.listener.connections)

    @property
    def paths(self) -> list[bytes]:
        """The paths that were asked for, in order."""
        return [asked.path for asked in self.asked]

    def claim(self) -> list[Exception]:
        """The defects that the test expected."""
        defects, self.defects[:] = list(self.defects), []
        return defects

    # What is answered

    def respond(self, request: Request) -> Answer | Awaitable[Answer]:
        """Keep what was asked, then answer as the layer above would."""
        asked = Asked(request.method, request.path, request.query, request.version, list(request.header_items()))
        self.asked.append(asked)
        if request.method == "TRACE":
            return told(method_not_allowed(["GET"]))
        try:
            check_expectation(request)
        except WireFault as fault:
            return told(fault)
        if (play := self.plays.get(request.path, self.plays_all)) is not None:
            return play(request)
        match request.path:
            case b"/body":
                return self._read(request, asked, whole=True)
            case b"/chunks":
                return self._read(request, asked, whole=False)
            case b"/later":
                return self._later(request)
            case b"/gate":
                return self._after_gate(request)
            case b"/stream":
                return StreamResponse(200, TEXT, pieces(3))
            case path:
                return text(path)

    async def _read(self, request: Request, asked: Asked, *, whole: bool) -> Answer:
        try:
            if whole:
                asked.body = await request.body(self.most_bytes)
            else:
                asked.body = b"".join([piece async for piece in request.chunks(self.most_bytes)])
        except WireFault as fault:
            return told(fault)
        return text(asked.body)

    async def _later(self, request: Request) -> Answer:
        for _ in range(3):
            await asyncio.sleep(0)
        return text(request.path)

    async def _after_gate(self, request: Request) -> Answer:
        await self.gate.wait()
        return text(request.path)
