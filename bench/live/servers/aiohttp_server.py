"""aiohttp's own server on uvloop: a WebSocketResponse for each client, and a loop over those that watch."""

from __future__ import annotations

import socket

import uvloop
from aiohttp import WSMsgType, web

from bench.live.servers.by_hand import read

HEARTBEAT_SECONDS = 25.0
BACKLOG = 1024


def build() -> web.Application:
    """The application."""
    watching: set[web.WebSocketResponse] = set()

    async def live(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, compress=False)
        await ws.prepare(request)
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    continue
                does = read(message.data)
                if does.watches:
                    watching.add(ws)
                await ws.send_str(does.answer.decode())
                if does.event is not None:
                    text = does.event.decode()
                    for each in set(watching):
                        await each.send_str(text)
        finally:
            watching.discard(ws)
        return ws

    app = web.Application()
    app.add_routes([web.get("/ws", live)])
    return app


def serve(listener: socket.socket) -> None:
    """Serve."""
    web.run_app(build(), sock=listener, backlog=BACKLOG, access_log=None, print=None, loop=uvloop.new_event_loop())
