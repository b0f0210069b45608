"""How every ASGI server of the bench is run: uvicorn on httptools and uvloop, one process, no access log."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import uvicorn
import uvloop


def serve_asgi(app: Any, listener: socket.socket, *, server_header: bool = True) -> None:
    """Serve `app` on a socket that already listens, until the process is ended."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
        server_header=server_header,
    )
    server = uvicorn.Server(config)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))
