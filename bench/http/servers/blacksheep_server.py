"""BlackSheep as its documentation writes it: bound parameters, pydantic for the body, function middlewares."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from blacksheep import Application, FromJSON, Request, Response, json

from bench.http.servers.pydantic_items import Item, Saved
from bench.http.servers.tally import Tally, blocked, new_request_id
from bench.http.serving import serve_asgi

type Next = Callable[[Request], Awaitable[Response]]


def build(*, layered: bool) -> Application:
    """The application."""
    app = Application()
    tally = Tally()
    count = 0

    async def status() -> Response:
        nonlocal count
        count += 1
        return json({"name": "bench", "count": count})

    async def put_item(item_id: int, data: FromJSON[Item], notify: bool = False) -> Response:
        return json(Saved(id=item_id, notify=notify, **data.value.model_dump()))

    async def show_tally() -> Response:
        return json(tally.shown())

    app.router.add_get("/api/status", status)
    app.router.add_put("/api/items/{item_id}", put_item)
    app.router.add_get("/api/tally", show_tally)
    if layered:
        add_layers(app, tally)
    return app


def add_layers(app: Any, tally: Tally) -> None:  # its list of middlewares has no types
    """The three middlewares, the first being the outermost."""

    async def timed(request: Request, handler: Next) -> Response:
        started = perf_counter()
        response = await handler(request)
        response.add_header(b"x-request-id", new_request_id().encode())
        tally.time(perf_counter() - started)
        return response

    async def counted(request: Request, handler: Next) -> Response:
        tally.count()
        return await handler(request)

    async def checked(request: Request, handler: Next) -> Response:
        agent = request.get_first_header(b"user-agent")
        if blocked(agent.decode("latin-1") if agent else None):
            return json({"error": "forbidden"}, status=403)
        return await handler(request)

    for layer in (timed, counted, checked):
        app.middlewares.append(layer)


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(build(layered=layered), listener)
