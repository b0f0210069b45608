"""Sanic on its own server (single process): `@validate` of sanic-ext with msgspec, request and response middleware."""

from __future__ import annotations

import socket
from time import perf_counter
from typing import Any

from msgspec import Struct
from sanic import HTTPResponse, Request, Sanic, json
from sanic.exceptions import Forbidden
from sanic_ext import validate

from bench.http.servers.items import Item
from bench.http.servers.tally import Tally, blocked


class Flags(Struct):
    """The query of work (b)."""

    notify: bool = False


def build(*, layered: bool) -> Any:  # Sanic's own types are partial
    """The application."""
    app: Any = Sanic("bench")
    app.config.AUTO_EXTEND = False  # of sanic-ext only the validation is wanted here
    tally = Tally()
    count = 0

    async def status(_request: Request) -> HTTPResponse:
        nonlocal count
        count += 1
        return json({"name": "bench", "count": count})

    @validate(json=Item, query=Flags)
    async def put_item(_request: Request, item_id: int, body: Item, query: Flags) -> HTTPResponse:
        return json(
            {
                "id": item_id,
                "notify": query.notify,
                "title": body.title,
                "quantity": body.quantity,
                "price": body.price,
                "active": body.active,
                "tags": body.tags,
            }
        )

    async def show_tally(_request: Request) -> HTTPResponse:
        return json(tally.shown())

    app.add_route(status, "/api/status", methods=["GET"])
    app.add_route(put_item, "/api/items/<item_id:int>", methods=["PUT"])
    app.add_route(show_tally, "/api/tally", methods=["GET"])
    if layered:
        add_layers(app, tally)
    return app


def add_layers(app: Any, tally: Tally) -> None:
    """The three middlewares; Sanic splits what is around a call into what comes before and what comes after."""

    async def start_timer(request: Request) -> None:
        request.ctx.started = perf_counter()

    async def count(_request: Request) -> None:
        tally.count()

    async def check(request: Any) -> None:
        if blocked(request.headers.get("user-agent")):
            raise Forbidden("blocked")

    async def stop_timer(request: Request, response: HTTPResponse) -> None:
        response.headers["x-request-id"] = str(request.id)
        tally.time(perf_counter() - request.ctx.started)

    for before in (start_timer, count, check):
        app.register_middleware(before, "request")
    app.register_middleware(stop_timer, "response")


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    build(layered=layered).run(sock=listener, single_process=True, access_log=False, motd=False)
