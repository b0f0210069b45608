"""The ceiling of calls: picows, written in Cython, sends back whatever bytes it is sent, and nothing else."""

from __future__ import annotations

import asyncio
import socket

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,  # pyright: ignore[reportUnknownVariableType]  # it leaves two arguments untyped
)


class Echo(WSListener):
    """One connection."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Send it back."""
        transport.send(frame.msg_type, frame.get_payload_as_memoryview())


def echo(_request: WSUpgradeRequest) -> Echo:
    """Whoever connects is sent back what it sends."""
    return Echo()


async def _serve(listener: socket.socket) -> None:
    server = await ws_create_server(echo, sock=listener)
    await server.serve_forever()


def serve(listener: socket.socket) -> None:
    """Serve."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener))
