"""Where the time of one request goes, stage by stage and without a kernel: `python -m bench.http.stages`.

A connection is given bytes as its transport would give them, and writes to one that throws them away. So what is left
is our own part of a request, which the kernel's part comes on top of. The bare protocol stands beside it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any, cast

import uvloop

from antiphon import Context, Http, Module, action, allow, anyone, put
from antiphon.core.runtime import Runtime
from antiphon.transports.http.connection import HttpConnection
from antiphon.transports.http.endpoint import Endpoint
from antiphon.wire.response import Response
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.connection import Connection
from antiphon.wire.server.heads import HeadReader
from antiphon.wire.server.request import ServerRequest
from antiphon.wire.server.sending import write_plain
from antiphon.wire.server.shared import Shared
from bench.http.servers.antiphon_server import build
from bench.http.servers.items import Price, Quantity, Saved, Tags, Title
from bench.http.servers.protocol import Plain, Works
from bench.http.servers.protocol_same import Promises, Promising

REPEATS, ROUNDS = 10_000, 7
BODY = b'{"title":"A thing","quantity":3,"price":9.5,"active":true,"tags":["a","b"]}'
ONE = b"Host: localhost:8080\r\n"
TWELVE = (
    ONE + b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nUpgrade-Insecure-Requests: 1\r\n"
    b"Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nSec-Fetch-User: ?1\r\n"
    b"Cookie: a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"
)
GET = b"GET /api/status HTTP/1.1\r\n%b\r\n"
PUT = b"PUT /api/items/42?notify=true HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%%b\r\n%b" % (
    len(BODY),
    BODY,
)


@action("item:wait", put("/waiting/{item_id}"), allow(anyone))
async def put_waiting(
    ctx: Context,
    item_id: int,
    title: Title,
    quantity: Quantity,
    price: Price,
    active: bool,
    tags: Tags,
    notify: bool = False,
) -> Saved:
    """Work (b), as what might wait is written."""
    return Saved(item_id, notify, title, quantity, price, active, tags)


class Nowhere(asyncio.Transport):
    """A transport that throws away what it is given."""

    def write(self, data: Any) -> None:
        """Throw it away."""

    def is_closing(self) -> bool:
        """It never does."""
        return False

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0


def measure(work: Callable[[], object]) -> float:
    """The microseconds of one run, the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = process_time()
        for _ in range(REPEATS):
            work()
        best = min(best, process_time() - started)
    return best / REPEATS * 1e6


def whole(runtime: Runtime, http: Http) -> Iterator[tuple[str, float]]:
    """A request from its bytes to the bytes of its answer, and the bare protocol on the same bytes."""
    works = Works()
    works.tick()
    promises = Promises(layered=False)
    promises.works.tick()
    shared = Shared(http.server.respond, http.server.turn_away, _raise, Bounds())
    for name, form in (("GET", GET), ("PUT", PUT)):
        for count, headers in ((1, ONE), (12, TWELVE)):
            ours, bare, same = Connection(shared, "127.0.0.1", "", "http"), Plain(works), Promising(promises)
            for protocol in (ours, bare, same):
                protocol.connection_made(Nowhere())
            data = form % headers
            yield f"{name}, {count} headers", measure(lambda data=data, ours=ours: ours.data_received(data))
            yield "  the bare protocol", measure(lambda data=data, bare=bare: bare.data_received(data))
            yield "  the same promises", measure(lambda data=data, same=same: same.data_received(data))
    ours = Connection(shared, "127.0.0.1", "", "http")
    ours.connection_made(Nowhere())
    data = PUT.replace(b"/items/", b"/waiting/") % ONE
    yield "PUT, as `async def`", measure(lambda: ours.data_received(data))


def parts(runtime: Runtime, http: Http) -> Iterator[tuple[str, float]]:
    """The stages of the GET, each by itself."""
    server = http.server
    shared = Shared(server.respond, server.turn_away, _raise, Bounds())
    connection, reader = Connection(shared, "127.0.0.1", "", "http"), HeadReader(Bounds().head)
    connection.connection_made(Nowhere())
    data = GET % ONE
    reader.read(data)

    def ask() -> ServerRequest:
        return ServerRequest(connection, reader.method, reader.path, reader.query, reader.version, reader.fields)

    request = ask()
    endpoint = cast("Endpoint", server.router.find("GET", b"/api/status")[0])
    answer = cast("Response", endpoint.respond(request))
    client = HttpConnection(request, server, {})

    def call() -> Context:
        deadline = runtime.clock.monotonic() + 30.0
        return Context(runtime, "status:show", client, "x", deadline, True)

    ctx = call()
    yield "read the head", measure(lambda: reader.read(data))
    yield "make the request", measure(ask)
    yield "find and answer", measure(lambda: server.respond(request))
    yield "  the request id", measure(runtime.ids.uuid7)
    yield "  the client's end", measure(lambda: HttpConnection(request, server, {}))
    yield "  the context", measure(call)
    yield "  run, check, count", measure(lambda: endpoint.runner.run_now(ctx, None, None))
    yield "  of that, the action", measure(lambda: endpoint.action.function(ctx))
    yield "write the answer", measure(lambda: write_plain(connection, request, answer))


def _raise(error: Exception) -> None:
    raise error


async def _run() -> None:
    app = build(Module(__name__), layered=False)
    async with app.running(environ={"ANTIPHON_ENV": "test"}) as runtime:
        http = app.transport(Http)
        for rows in (whole, parts):
            for name, micros in rows(runtime, http):
                print(f"{name:<28}{micros:6.2f} µs")


def main() -> int:
    """Print the table."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
