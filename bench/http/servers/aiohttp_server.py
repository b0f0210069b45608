"""aiohttp's own web server on uvloop: function middlewares, msgspec for the body as it has no validation."""

from __future__ import annotations

import socket
from time import perf_counter

import msgspec
import uvloop
from aiohttp import web
from aiohttp.typedefs import Handler as Next
from aiohttp.typedefs import Middleware

from bench.http.servers.items import Item
from bench.http.servers.tally import Tally, blocked, new_request_id

decode_item = msgspec.json.Decoder(Item).decode


def build(*, layered: bool) -> web.Application:
    """The application."""
    tally = Tally()
    count = 0

    async def status(_request: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return reply({"name": "bench", "count": count})

    async def put_item(request: web.Request) -> web.Response:
        try:
            item = decode_item(await request.read())
        except msgspec.DecodeError as error:
            return reply({"error": str(error)}, status=422)
        notify = request.query.get("notify", "false")
        if notify not in ("true", "false"):
            return reply({"error": "`notify` is true or false"}, status=422)
        flags = {"id": int(request.match_info["item_id"]), "notify": notify == "true"}
        return reply(flags | msgspec.structs.asdict(item))

    async def show_tally(_request: web.Request) -> web.Response:
        return reply(tally.shown())

    app = web.Application(middlewares=layers(tally) if layered else [])
    app.add_routes(
        [
            web.get("/api/status", status),
            web.put(r"/api/items/{item_id:\d+}", put_item),
            web.get("/api/tally", show_tally),
        ]
    )
    return app


def reply(value: object, *, status: int = 200) -> web.Response:
    """One answer. `json_response` would want a text, to encode it once more."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def layers(tally: Tally) -> list[Middleware]:
    """The three middlewares, the first being the outermost."""

    @web.middleware
    async def timed(request: web.Request, handler: Next) -> web.StreamResponse:
        started = perf_counter()
        response = await handler(request)
        response.headers["x-request-id"] = new_request_id()
        tally.time(perf_counter() - started)
        return response

    @web.middleware
    async def counted(request: web.Request, handler: Next) -> web.StreamResponse:
        tally.count()
        return await handler(request)

    @web.middleware
    async def checked(request: web.Request, handler: Next) -> web.StreamResponse:
        if blocked(request.headers.get("user-agent")):
            raise web.HTTPForbidden
        return await handler(request)

    return [timed, counted, checked]


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    web.run_app(build(layered=layered), sock=listener, access_log=None, print=None, loop=uvloop.new_event_loop())
