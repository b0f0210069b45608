"""Listens on a port and answers through `respond`. Today uvicorn stands behind it; nothing above knows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from math import ceil

import uvicorn

from antiphon.core.errors import SetupError
from antiphon.wire.asgi import Asgi, Respond

BACKLOG = 2048
"""Connections the kernel holds until they are accepted."""


class Listener:
    """One listening socket and the connections that came through it.

    `connections` bounds what is served at once (beyond it 503), `idle_seconds` how long a connection may wait for its
    next request. Sizes and times of heads cannot be bounded by uvicorn before it has read them.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        report: Callable[[Exception], None],
        connections: int,
        idle_seconds: float,
    ) -> None:
        config = uvicorn.Config(
            Asgi(respond, report=report),
            http="httptools",
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=ceil(idle_seconds),
            limit_concurrency=connections + 1,
            backlog=BACKLOG,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._socket: socket.socket | None = None
        self._loop: asyncio.Task[None] | None = None

    async def open(self, host: str, port: int) -> int:
        """Listen; gives the port, which the system chose if it was 0. Raises SetupError when it cannot be had."""
        self._socket = _bind(host, port)
        await self._server.startup(sockets=[self._socket])
        self._loop = asyncio.create_task(self._server.main_loop(), name="http: uvicorn")
        return self._socket.getsockname()[1]

    def close(self) -> None:
        """Accept nothing more; open connections go on."""
        for server in getattr(self._server, "servers", ()):
            server.close()

    async def finish(self, seconds: float) -> None:
        """End every connection: idle ones at once, the others after their answer or after this long."""
        if self._loop is None:
            return
        self._server.should_exit = True
        await self._loop
        self._loop = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._server.shutdown(sockets=[])
        for connection in list(self._server.server_state.connections):
            connection.transport.abort()
        if self._socket is not None:
            self._socket.close()


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            f"Stop what listens there, or choose another port with PORT."
        ) from error
    listening.setblocking(False)
    return listening
