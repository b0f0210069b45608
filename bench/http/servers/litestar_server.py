"""Litestar as its documentation writes it: msgspec Structs in and out, `ASGIMiddleware` classes."""

from __future__ import annotations

import socket
from time import perf_counter

from litestar import Litestar, get, put
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.exceptions import PermissionDeniedException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from bench.http.servers.items import Item, Saved, Status
from bench.http.servers.tally import Tally, blocked, new_request_id
from bench.http.serving import serve_asgi


class Timed(ASGIMiddleware):
    """Times the call, and gives the answer its request id."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wrap one request."""
        started = perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)["x-request-id"] = new_request_id()
            await send(message)

        await next_app(scope, receive, send_with_id)
        self.tally.time(perf_counter() - started)


class Counted(ASGIMiddleware):
    """Counts the call."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, tally: Tally) -> None:
        self.tally = tally

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wrap one request."""
        self.tally.count()
        await next_app(scope, receive, send)


class Checked(ASGIMiddleware):
    """Refuses blocked agents."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Wrap one request."""
        if blocked(Headers.from_scope(scope).get("user-agent")):
            raise PermissionDeniedException
        await next_app(scope, receive, send)


def build(*, layered: bool) -> Litestar:
    """The application."""
    tally = Tally()
    count = 0

    @get("/api/status")
    async def status() -> Status:
        nonlocal count
        count += 1
        return Status("bench", count)

    @put("/api/items/{item_id:int}")
    async def put_item(item_id: int, data: Item, notify: bool = False) -> Saved:
        return Saved(item_id, notify, data.title, data.quantity, data.price, data.active, data.tags)

    @get("/api/tally")
    async def show_tally() -> dict[str, int]:
        return tally.shown()

    layers = [Timed(tally), Counted(tally), Checked()]
    return Litestar([status, put_item, show_tally], middleware=layers if layered else [])


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(build(layered=layered), listener)
