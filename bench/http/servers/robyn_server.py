"""Robyn as its documentation writes it: a pydantic model for the body, typed parameters, hooks before and after.

What never waits is `def`, the way in which Robyn is faster at all but the body.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import Any, get_type_hints

from bench.http.servers.pydantic_items import Item, Saved, Status
from bench.http.servers.tally import Tally, blocked, new_request_id

# Robyn reads the command line when it is imported, and this one is not its own.
sys.argv = [sys.argv[0], "--processes", "1", "--workers", "1", "--log-level", "WARN", "--disable-openapi"]

# It stands in an environment of its own, where the type checker does not look.
robyn: Any = import_module("robyn")


def told(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with its annotations as types: Robyn looks at them as they stand, and here they are texts."""
    function.__annotations__ = get_type_hints(function)
    return function


def build(*, layered: bool) -> Any:
    """The application."""
    app: Any = robyn.Robyn(__file__)
    tally = Tally()
    count = 0

    def status() -> Status:
        nonlocal count
        count += 1
        return Status(name="bench", count=count)

    async def put_item(item_id: int, item: Item, notify: bool = False) -> Saved:
        return Saved(id=item_id, notify=notify, **item.model_dump())

    def show_tally() -> dict[str, int]:
        return tally.shown()

    app.get("/api/status")(told(status))
    app.put("/api/items/:item_id")(told(put_item))
    app.get("/api/tally")(told(show_tally))
    if layered:
        add_layers(app, tally)
    return app


def add_layers(app: Any, tally: Tally) -> None:
    """The three middlewares; Robyn splits what is around a call into what comes before and what comes after."""

    def start_timer(request: Any) -> Any:
        request.headers.set("x-started", str(perf_counter()))
        return request

    def count(request: Any) -> Any:
        tally.count()
        return request

    def check(request: Any) -> Any:
        if blocked(request.headers.get("user-agent")):
            return robyn.Response(status_code=403, headers={"content-type": "application/json"}, description="{}")
        return request

    def stop_timer(request: Any, response: Any) -> Any:
        response.headers.set("x-request-id", new_request_id())
        tally.time(perf_counter() - float(request.headers.get("x-started") or 0))
        return response

    for before in (start_timer, count, check):
        app.before_request()(told(before))
    app.after_request()(told(stop_timer))


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    build(layered=layered).start(host="127.0.0.1", port=port)
