"""The ceiling: an ASGI application written by hand for exactly these works, with nothing a framework would add."""

from __future__ import annotations

import socket
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec

from bench.http.servers.items import Item, Saved, Status
from bench.http.servers.tally import Tally, blocked, new_request_id
from bench.http.serving import serve_asgi

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

JSON = (b"content-type", b"application/json")
FLAGS = {b"": False, b"notify=true": True, b"notify=false": False}
encode = msgspec.json.Encoder().encode
decode_item = msgspec.json.Decoder(Item).decode


class Bare:
    """The three works without layers."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served here")
        status, body = await self.answer(scope, receive)
        await reply(send, status, body, [JSON, (b"content-length", b"%d" % len(body))])

    async def answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """The status and the body."""
        path: str = scope["path"]
        if path == "/api/status" and scope["method"] == "GET":
            self.count += 1
            return 200, encode(Status("bench", self.count))
        if path.startswith("/api/items/") and scope["method"] == "PUT":
            return await self.put_item(path[11:], scope, receive)
        return 404, b'{"error":"not found"}'

    async def put_item(self, item_id: str, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        """Work (b)."""
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            item = decode_item(body)
            notify = FLAGS[scope["query_string"]]
            saved = Saved(int(item_id), notify, item.title, item.quantity, item.price, item.active, item.tags)
        except (ValueError, KeyError):
            return 422, b'{"error":"bad input"}'
        return 200, encode(saved)


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
            status, body = 403, b'{"error":"forbidden"}'
        elif scope["path"] == "/api/tally":
            status, body = 200, encode(self.tally.shown())
        else:
            status, body = await self.answer(scope, receive)
        request_id = new_request_id().encode()
        self.tally.time(perf_counter() - started)
        await reply(send, status, body, [JSON, (b"content-length", b"%d" % len(body)), (b"x-request-id", request_id)])


async def reply(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """Send one whole answer."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(Layered() if layered else Bare(), listener)
