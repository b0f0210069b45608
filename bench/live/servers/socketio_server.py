"""python-socketio on uvicorn: calls are events with an acknowledgement, and watchers are in a room."""

from __future__ import annotations

import asyncio
import socket
from importlib import import_module
from typing import Any

import msgspec
import uvicorn
import uvloop

from bench.live.servers.by_hand import Params, Text

# It has no types.
socketio: Any = import_module("socketio")


class Call(msgspec.Struct):
    """The inputs of echo:say."""

    text: Text


def build() -> Any:
    """The application."""
    server = socketio.AsyncServer(async_mode="asgi", cors_allowed_origins="*")

    async def say(_sid: str, data: object) -> dict[str, Any]:
        try:
            call = msgspec.convert(data, Call)
        except msgspec.ValidationError:
            return {"error": "the inputs do not fit"}
        return {"text": call.text}

    async def watch(sid: str, _data: object) -> dict[str, Any]:
        await server.enter_room(sid, "room")
        return {}

    async def tell(_sid: str, data: object) -> dict[str, Any]:
        try:
            said = msgspec.convert(data, Params)
        except msgspec.ValidationError:
            return {"error": "the inputs do not fit"}
        await server.emit("Said", {"text": said.text, "n": said.n}, room="room")
        return {}

    server.on("echo:say", say)
    server.on("watch", watch)
    server.on("room:say", tell)
    return socketio.ASGIApp(server)


def serve(listener: socket.socket) -> None:
    """Serve."""
    config = uvicorn.Config(
        build(), loop="uvloop", http="httptools", ws="websockets-sansio", access_log=False, log_level="critical"
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))
