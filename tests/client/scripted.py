"""A server that does what a scenario says, on a real socket: it accepts, reads, sends, closes and cuts when told to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, Literal, cast

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

HELLO = {"version": 1, "connectionId": "c", "user": None, "pingSeconds": 25, "frameBytes": 65536}
PATIENCE = 10.0


class Connected:
    """One connection of the client under test."""

    def __init__(self, connection: ServerConnection, request: Request) -> None:
        self.connection = connection
        self.request = request

    def send(self, frames: list[dict[str, Any]]) -> None:
        """Send these frames in one write, so that they are likely read together."""
        for frame in frames:
            self.connection.protocol.send_text(json.dumps(frame).encode())
        self._flush()

    def close(self, code: int | None) -> None:
        """Close with this code, or with none."""
        self.connection.protocol.send_close(code)
        self._flush()

    async def next(self) -> dict[str, Any]:
        """The next frame of the client."""
        async with asyncio.timeout(PATIENCE):
            return json.loads(await self.connection.recv())

    async def close_code(self) -> int | None:
        """The code with which the client closes."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    await self.connection.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else None

    def cut(self) -> None:
        """End the connection without a word."""
        self.connection.transport.abort()

    def _flush(self) -> None:
        self.connection.transport.write(b"".join(self.connection.protocol.data_to_send()))


class ScriptedServer:
    """Takes connections one by one. Those that nobody accepts wait."""

    def __init__(self) -> None:
        self.port = 0
        self._doors: asyncio.Queue[Response | Literal["in", "cut"]] = asyncio.Queue()
        self._accepted: asyncio.Queue[Connected] = asyncio.Queue()

    @classmethod
    @asynccontextmanager
    async def start(cls) -> AsyncGenerator[ScriptedServer]:
        """A server on a free port, for a block."""
        server = cls()
        async with serve(
            server._serve,
            "127.0.0.1",
            0,
            process_request=server._door,
            subprotocols=cast("Any", ["antiphon.v1"]),
            ping_interval=None,
            compression=None,
            close_timeout=1,
        ) as listening:
            (socket,) = listening.sockets
            server.port = socket.getsockname()[1]
            yield server

    async def accept(self, hello: dict[str, Any] | None) -> Connected:
        """Let the next connection in and greet it, unless that is None."""
        self._doors.put_nowait("in")
        async with asyncio.timeout(PATIENCE):
            connected = await self._accepted.get()
        if hello is not None:
            connected.send([{"hello": {**HELLO, **hello}}])
        return connected

    def cut_door(self) -> None:
        """End the next connection in place of a handshake."""
        self._doors.put_nowait("cut")

    def refuse(self, status: int, error: dict[str, Any], headers: dict[str, str]) -> None:
        """Refuse the next connection."""
        body = json.dumps({"error": error}).encode()
        sent = Headers({"Content-Length": str(len(body)), **headers})
        self._doors.put_nowait(Response(status, HTTPStatus(status).phrase, sent, body))

    async def _door(self, connection: ServerConnection, request: Request) -> Response | None:
        answer = await self._doors.get()
        if isinstance(answer, Response):
            return answer
        if answer == "cut":
            connection.transport.abort()
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        connected = Connected(connection, connection.request)
        self._accepted.put_nowait(connected)
        await connection.wait_closed()
