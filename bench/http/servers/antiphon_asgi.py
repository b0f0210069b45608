"""Antiphon as an ASGI application under uvicorn: the same application, through the adapter."""

from __future__ import annotations

import socket

from bench.http.servers.antiphon_server import build
from bench.http.serving import serve_asgi


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(build(layered=layered).asgi, listener)
