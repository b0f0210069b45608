"""picows on uvloop: frames read and written by its Cython, the JSON by msgspec, a set of who watches."""

from __future__ import annotations

import asyncio
import socket

import uvloop
from picows import (
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    ws_create_server,  # pyright: ignore[reportUnknownVariableType]  # it leaves two arguments untyped
)

from bench.live.servers.by_hand import read

BACKLOG = 1024


class Client(WSListener):
    """One connection."""

    def __init__(self, watching: set[WSTransport]) -> None:
        self.watching = watching

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Do what it says."""
        if frame.msg_type != WSMsgType.TEXT:
            if frame.msg_type == WSMsgType.CLOSE:
                transport.disconnect()
            return
        does = read(frame.get_payload_as_memoryview())
        if does.watches:
            self.watching.add(transport)
        transport.send(WSMsgType.TEXT, does.answer)
        if does.event is not None:
            for each in self.watching:
                each.send(WSMsgType.TEXT, does.event)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """It watches no more."""
        self.watching.discard(transport)


async def _serve(listener: socket.socket) -> None:
    watching: set[WSTransport] = set()

    def client(_request: WSUpgradeRequest) -> Client:
        return Client(watching)

    server = await ws_create_server(client, sock=listener, enable_auto_ping=True, backlog=BACKLOG)
    await server.serve_forever()


def serve(listener: socket.socket) -> None:
    """Serve."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener))
