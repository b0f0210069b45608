"""Listens on a port and answers through `respond`. Today uvicorn stands behind it; nothing above knows."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from http import HTTPStatus
from math import ceil

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from antiphon.core.errors import SetupError
from antiphon.wire.asgi import Asgi, Respond
from antiphon.wire.response import Response

LOOK_SECONDS = 0.005
"""How often a listener that finishes looks whether its last connection has closed."""

BACKLOG = 2048
"""Connections the kernel holds until they are accepted."""

CANCEL_SECONDS = 2.0
"""How long what still runs for a connection has to clean up once the connection is gone."""


class Listener:
    """One listening socket and the connections that came through it.

    `connections` bounds what is served at once: every request of a connection beyond it is answered by `refuse`.
    `idle_seconds` is how long a connection may wait for its next request. Bytes that are no request are answered with
    `unreadable()`, and the connection ends. Sizes and times of heads cannot be bounded by uvicorn before it has read
    them.
    """

    def __init__(
        self,
        respond: Respond,
        *,
        refuse: Respond,
        unreadable: Callable[[], Response],
        report: Callable[[Exception], None],
        connections: int,
        idle_seconds: float,
    ) -> None:
        config = uvicorn.Config(
            Asgi(respond, report=report),
            http=_protocol(connections, Asgi(refuse, report=report), unreadable),
            loop="none",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=ceil(idle_seconds),
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

    def hush(self) -> None:
        """Take no further request: idle connections end at once, the others after their answer."""
        for connection in list(self._server.server_state.connections):
            connection.shutdown()

    async def finish(self, seconds: float) -> None:
        """End every connection: idle ones at once, the others after their answer or after this long."""
        if self._loop is None:
            return
        ticking, self._loop = self._loop, None
        ticking.cancel()
        await asyncio.wait((ticking,))
        state = self._server.server_state
        self.close()
        self.hush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                # uvicorn tells nobody when its last connection closes, and its own way of waiting takes 0.1 s a look.
                while state.connections or state.tasks:  # noqa: ASYNC110  # there is no event to wait for
                    await asyncio.sleep(LOOK_SECONDS)
        for connection in list(state.connections):
            connection.transport.abort()
        if state.tasks:
            # They are told that their client is gone. What they lean on is closed after this.
            _, late = await asyncio.wait(list(state.tasks), timeout=CANCEL_SECONDS)
            for task in late:
                task.cancel()
        if self._socket is not None:
            self._socket.close()


def _protocol(most: int, refuse: Asgi, unreadable: Callable[[], Response]) -> type[HttpToolsProtocol]:
    """uvicorn's connection, with our own word where it would speak for itself."""

    class Protocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            # Decided once for a connection: those that were here first are not disturbed by who comes now.
            if len(self.connections) > most:
                self.app = refuse

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            # What comes after the body (trailers) would be added to the headers of a request that was checked already.
            self.headers = []

        def send_400_response(self, msg: str) -> None:
            if self.cycle and not self.cycle.response_complete:
                # An answer is under way; a second one in the middle of it would be taken for a part of it.
                self.cycle.keep_alive = False
                self.pipeline.clear()
                self.flow.pause_reading()
                return
            self.transport.write(_as_bytes(unreadable(), self.server_state.default_headers))
            self.transport.close()

    return Protocol


def _as_bytes(answer: Response, extra: list[tuple[bytes, bytes]]) -> bytes:
    lines = [b"HTTP/1.1 %d %b" % (answer.status, HTTPStatus(answer.status).phrase.encode())]
    lines += [name + b": " + value for name, value in (*extra, *answer.headers)]
    lines.append(b"content-length: %d" % len(answer.body))
    return b"\r\n".join([*lines, b"", answer.body])


def _bind(host: str, port: int) -> socket.socket:
    listening: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        # Already here: two that bind in the same moment find out only when they listen.
        listening.listen(BACKLOG)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise SetupError(
            f"Cannot listen on {host} port {port}: {error.strerror}. "
            f"Stop what listens there, or choose another port with PORT."
        ) from error
    listening.setblocking(False)
    return listening
