"""FastAPI as its tutorial writes it: pydantic models, `Annotated` parameters, `@app.middleware("http")`."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from time import perf_counter

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from bench.http.servers.pydantic_items import Item, Saved, Status
from bench.http.servers.tally import Tally, blocked, new_request_id
from bench.http.serving import serve_asgi

type Next = Callable[[Request], Awaitable[Response]]


def build(*, layered: bool) -> FastAPI:
    """The application."""
    app = FastAPI()
    tally = Tally()
    count = 0

    async def status() -> Status:
        nonlocal count
        count += 1
        return Status(name="bench", count=count)

    async def put_item(item_id: int, item: Item, *, notify: bool = False) -> Saved:
        return Saved(id=item_id, notify=notify, **item.model_dump())

    async def show_tally() -> dict[str, int]:
        return tally.shown()

    app.get("/api/status")(status)
    app.put("/api/items/{item_id}")(put_item)
    app.get("/api/tally")(show_tally)
    if layered:
        add_layers(app, tally)
    return app


def add_layers(app: FastAPI, tally: Tally) -> None:
    """The three middlewares; the last to be added is the outermost."""

    async def checked(request: Request, call_next: Next) -> Response:
        if blocked(request.headers.get("user-agent")):
            return JSONResponse({"error": "forbidden"}, status_code=403)
        return await call_next(request)

    async def counted(request: Request, call_next: Next) -> Response:
        tally.count()
        return await call_next(request)

    async def timed(request: Request, call_next: Next) -> Response:
        started = perf_counter()
        response = await call_next(request)
        response.headers["x-request-id"] = new_request_id()
        tally.time(perf_counter() - started)
        return response

    for layer in (checked, counted, timed):
        app.middleware("http")(layer)


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(build(layered=layered), listener)
