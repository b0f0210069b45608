"""websockets on uvloop: its asyncio server, and its `broadcast`, which waits for nobody."""

from __future__ import annotations

import asyncio
import socket

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_sockets
from websockets.exceptions import ConnectionClosed

from bench.live.servers.by_hand import read

BACKLOG = 1024


async def _serve(listener: socket.socket) -> None:
    watching: set[ServerConnection] = set()

    async def live(connection: ServerConnection) -> None:
        try:
            async for message in connection:
                does = read(message)
                if does.watches:
                    watching.add(connection)
                await connection.send(does.answer, text=True)
                if does.event is not None:
                    broadcast(watching, does.event.decode())
        except ConnectionClosed:
            return
        finally:
            watching.discard(connection)

    async with serve_sockets(live, sock=listener, compression=None, open_timeout=60, backlog=BACKLOG) as server:
        await server.serve_forever()


def serve(listener: socket.socket) -> None:
    """Serve."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(listener))
