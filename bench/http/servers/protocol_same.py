"""What these works cost by hand when they promise what Antiphon does: the floor of anything written in Python.

Not a framework: each work is one function that knows its route, its inputs and its answer, and everything that can be
known before a request stands ready. But every answer carries what ours carry (an id of its own, the security headers,
the Date), every request is judged as ours are (llhttp and the bounds of heads, Host, fetch metadata, the depth of
JSON), and every call has a context with a deadline, is counted by outcome and time, and may await: one that is not a
plain `def` runs in a task that a drain would find. A reader and a writer of heads are Antiphon's own. What is left out:
bounds of bodies, errors in their right words, clients that are slow.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from time import monotonic, perf_counter
from typing import Any, cast

import uvloop

from antiphon.core.clock import RandomIds
from antiphon.core.tally import OK, Tally
from antiphon.transports.http.answers import NO_STORE, VARY
from antiphon.transports.http.browsers import POLICY, SECURITY
from antiphon.wire.faults import WireFault
from antiphon.wire.nesting import check_nesting
from antiphon.wire.response import FixedHeaders
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.heads import HeadReader
from bench.http.servers.by_hand import BAD_INPUT, FORBIDDEN, NOT_FOUND, encode, put_item
from bench.http.servers.protocol import ITEMS, STATUS, TALLY, Works
from bench.http.servers.tally import blocked

SECONDS, DEPTH, SAFE = 30.0, 64, re.compile(rb"same-origin|none")
FIXED = FixedHeaders([(b"content-type", b"application/json"), *SECURITY, POLICY, NO_STORE, VARY]).lines


class Call:
    """What a call knows of itself."""

    __slots__ = ("deadline", "line", "request_id")

    def __init__(self, request_id: str, deadline: float, line: Promising) -> None:
        self.request_id = request_id
        self.deadline = deadline
        self.line = line


class Promises:
    """What all connections share."""

    def __init__(self, *, layered: bool) -> None:
        self.works = Works()
        self.new_id = RandomIds().uuid7
        self.status, self.items = Tally(), Tally()
        self.running: dict[Call, asyncio.Task[None]] = {}
        self.bounds = Bounds()
        self.layers: Callable[[Call], Awaitable[bytes]] | None = self.timed if layered else None

    def good(self, request_id: str, said: bytes) -> bytes:
        """The bytes of a good answer."""
        line = request_id.encode()
        return b"HTTP/1.1 200 OK\r\ndate: %b\r\nx-request-id: %b\r\n%bcontent-length: %d\r\n\r\n%b" % (
            self.works.date, line, FIXED, len(said), said,
        )  # fmt: skip

    # Work (c): three layers, each a coroutine around the next

    async def timed(self, call: Call) -> bytes:
        """Times the call."""
        started = perf_counter()
        try:
            return await self.counted(call)
        finally:
            self.works.tally.time(perf_counter() - started)

    async def counted(self, call: Call) -> bytes:
        """Counts the call."""
        self.works.tally.count()
        return await self.checked(call)

    async def checked(self, call: Call) -> bytes:
        """Refuses blocked agents."""
        if blocked(call.line.reader.fields.get(b"user-agent")):
            return self.works.other(403, FORBIDDEN)
        return self.good(call.request_id, self.works.status())


class Promising(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, shared: Promises) -> None:
        self.shared = shared
        self.reader = HeadReader(shared.bounds.head)
        self.answers: list[bytes] = []
        self.heard_at = 0.0
        # The beginning of the body whose head was read last.
        self.begun: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer what came, in one write."""
        self.heard_at = monotonic()
        reader, answers = self.reader, self.answers
        try:
            if self.begun is not None:
                begun, self.begun = self.begun, None
                data = self.answer(begun + data)
            while data and reader.read(data):
                data = self.answer(reader.rest)
        except WireFault:
            answers.append(self.shared.works.other(400, BAD_INPUT))
            self.transport.write(b"".join(answers))
            self.transport.close()
            return
        if answers:
            self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
            answers.clear()

    def answer(self, rest: bytes) -> bytes:
        """Answer one request; gives back what follows it."""
        reader, shared = self.reader, self.shared
        path, method = reader.path, reader.method
        if path == STATUS and method == "GET":
            started = monotonic()
            call = Call(shared.new_id(), started + SECONDS, self)
            if shared.layers is not None:
                self.begin(call, self.run(call, shared.layers(call), shared.status, started))
                return rest
            self.answers.append(shared.good(call.request_id, shared.works.status()))
            shared.status.add(OK, monotonic() - started)
            return rest
        if method == "PUT" and path.startswith(ITEMS):
            fields = reader.fields
            site = fields.get(b"sec-fetch-site")
            if site is not None and not SAFE.fullmatch(site.encode()):
                self.answers.append(shared.works.other(403, FORBIDDEN))
                return b""
            if fields.get(b"content-encoding") is not None or fields.get(b"content-type") != "application/json":
                self.answers.append(shared.works.other(415, BAD_INPUT))
                return b""
            started, length = monotonic(), fields.length
            if len(rest) < length:
                self.begun = rest
                return b""
            call = Call(shared.new_id(), started + SECONDS, self)
            body = rest[:length]
            check_nesting(body, DEPTH)
            self.begin(call, self.run(call, self.put(call, path[11:], reader.query, body), shared.items, started))
            return rest[length:]
        started, tally = perf_counter(), shared.works.tally
        tally.count()
        said = encode(tally.shown()) if path == TALLY else NOT_FOUND
        self.answers.append(shared.works.other(200 if path == TALLY else 404, said))
        tally.time(perf_counter() - started)
        return rest

    def begin(self, call: Call, work: Any) -> None:
        """Begin a call that may await; it is found by a drain until it ends."""
        task: asyncio.Task[None] = asyncio.Task(work, eager_start=True, loop=asyncio.get_running_loop())
        if not task.done():
            self.shared.running[call] = task

    async def run(self, call: Call, work: Awaitable[bytes], tally: Tally, started: float) -> None:
        """One call, counted."""
        self.answers.append(await work)
        tally.add(OK, monotonic() - started)

    async def put(self, call: Call, item_id: bytes, query: bytes, body: bytes) -> bytes:
        """Work (b)."""
        status, said = put_item(item_id, query, body)
        return self.shared.good(call.request_id, said) if status == 200 else self.shared.works.other(status, said)


async def _serve(listener: socket.socket, *, layered: bool) -> None:
    loop = asyncio.get_running_loop()
    shared = Promises(layered=layered)
    shared.works.tick()
    listener.setblocking(False)
    server = await loop.create_server(lambda: Promising(shared), sock=listener, backlog=1024)
    await server.serve_forever()


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener, layered=layered))
