"""The ceiling of ASGI under uvicorn: an application written by hand for exactly these works, and nothing added."""

from __future__ import annotations

import socket
from time import perf_counter
from typing import TYPE_CHECKING

from bench.http.servers.by_hand import FORBIDDEN, ITEMS, NOT_FOUND, encode, put_item
from bench.http.servers.items import Status
from bench.http.servers.tally import Tally, blocked, new_request_id
from bench.http.serving import serve_asgi

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

JSON = (b"content-type", b"application/json")


class Bare:
    """The three works without layers."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served here")
        status, body = await self.answer(scope, receive)
        await self.reply(send, status, body)

    async def reply(self, send: Send, status: int, body: bytes) -> None:
        """Send one whole answer."""
        headers = [JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """The status and the body."""
        path: str = scope["path"]
        if path == "/api/status" and scope["method"] == "GET":
            self.count += 1
            return 200, encode(Status("bench", self.count))
        if path.startswith(ITEMS) and scope["method"] == "PUT":
            return put_item(path[11:], scope["query_string"], await whole(receive))
        return 404, NOT_FOUND


class Layered(Bare):
    """Work (c): what three middlewares would do, by hand and in one place."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served here")
        started = perf_counter()
        self.tally.count()
        agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
        if blocked(agent.decode("latin-1")):
            status, body = 403, FORBIDDEN
        elif scope["path"] == "/api/tally":
            status, body = 200, encode(self.tally.shown())
        else:
            status, body = await self.answer(scope, receive)
        self.tally.time(perf_counter() - started)
        await self.reply(send, status, body)

    async def reply(self, send: Send, status: int, body: bytes) -> None:
        """Send one whole answer, with a request id."""
        headers = [JSON, (b"content-length", b"%d" % len(body)), (b"x-request-id", new_request_id().encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def whole(receive: Receive) -> bytes:
    """The body of a request."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(Layered() if layered else Bare(), listener)
