"""Starlette on uvicorn: one WebSocketRoute, and the loop over connections that the documentation of FastAPI shows."""

from __future__ import annotations

import asyncio
import socket

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from bench.live.servers.by_hand import read


def build() -> Starlette:
    """The application."""
    watching: list[WebSocket] = []

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            while True:
                does = read(await websocket.receive_text())
                if does.watches:
                    watching.append(websocket)
                await websocket.send_text(does.answer.decode())
                if does.event is not None:
                    text = does.event.decode()
                    for each in [*watching]:
                        await each.send_text(text)
        except WebSocketDisconnect:
            if websocket in watching:
                watching.remove(websocket)

    return Starlette(routes=[WebSocketRoute("/ws", live)])


def serve(listener: socket.socket) -> None:
    """Serve. Of uvicorn's ways to speak WebSocket this is the fastest."""
    config = uvicorn.Config(
        build(), loop="uvloop", http="httptools", ws="websockets-sansio", access_log=False, log_level="critical"
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))
