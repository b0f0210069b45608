"""The bare ASGI application under granian instead of uvicorn."""

from __future__ import annotations

from typing import Any

from granian.constants import Interfaces

from bench.http.serve import end_with_parent
from bench.http.servers import bare
from bench.http.servers.granian_worker import serve_with


def plain() -> Any:
    """What a worker of granian serves."""
    end_with_parent()
    return bare.Bare()


def layered() -> Any:
    """What a worker of granian serves, with the three middlewares."""
    end_with_parent()
    return bare.Layered()


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_with(Interfaces.ASGINL, __name__, port, layered=layered)
