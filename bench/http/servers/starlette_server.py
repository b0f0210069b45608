"""Starlette: pure-ASGI middleware (the faster of its two ways), msgspec for the body as it has no validation."""

from __future__ import annotations

import socket
from time import perf_counter
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bench.http.servers.items import Item
from bench.http.servers.tally import Tally, blocked, new_request_id
from bench.http.serving import serve_asgi

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

decode_item = msgspec.json.Decoder(Item).decode


class Timed:
    """Times the call, and gives the answer its request id."""

    def __init__(self, app: ASGIApp, tally: Tally) -> None:
        self.app = app
        self.tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = new_request_id()
            await send(message)

        await self.app(scope, receive, send_with_id)
        self.tally.time(perf_counter() - started)


class Counted:
    """Counts the call."""

    def __init__(self, app: ASGIApp, tally: Tally) -> None:
        self.app = app
        self.tally = tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request."""
        if scope["type"] == "http":
            self.tally.count()
        await self.app(scope, receive, send)


class Checked:
    """Refuses blocked agents."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wrap one request."""
        if scope["type"] == "http" and blocked(Headers(scope=scope).get("user-agent")):
            await JSONResponse({"error": "forbidden"}, status_code=403)(scope, receive, send)
            return
        await self.app(scope, receive, send)


async def bad_input(_request: Request, error: Exception) -> JSONResponse:
    """The answer to inputs that do not fit."""
    return JSONResponse({"error": str(error)}, status_code=422)


def build(*, layered: bool) -> Starlette:
    """The application."""
    tally = Tally()
    count = 0

    async def status(_request: Request) -> JSONResponse:
        nonlocal count
        count += 1
        return JSONResponse({"name": "bench", "count": count})

    async def put_item(request: Request) -> JSONResponse:
        item = decode_item(await request.body())
        notify = request.query_params.get("notify", "false")
        if notify not in ("true", "false"):
            raise msgspec.ValidationError("`notify` is true or false")
        flags = {"id": request.path_params["item_id"], "notify": notify == "true"}
        return JSONResponse(flags | msgspec.structs.asdict(item))

    async def show_tally(_request: Request) -> JSONResponse:
        return JSONResponse(tally.shown())

    layers = [Middleware(Timed, tally=tally), Middleware(Counted, tally=tally), Middleware(Checked)]
    return Starlette(
        routes=[
            Route("/api/status", status),
            Route("/api/items/{item_id:int}", put_item, methods=["PUT"]),
            Route("/api/tally", show_tally),
        ],
        middleware=layers if layered else [],
        exception_handlers={msgspec.DecodeError: bad_input},
    )


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(build(layered=layered), listener)
