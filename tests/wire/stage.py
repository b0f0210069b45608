"""A real uvicorn in a thread with a loop of its own, whose every answer comes from what a test puts on the stage."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Literal

import uvicorn

from antiphon.testing.raw import RawHttp
from antiphon.testing.waiting import wait_until
from antiphon.wire.asgi import Asgi, Respond
from antiphon.wire.faults import WireFault
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response

HOST = "127.0.0.1"
TEXT = [(b"content-type", b"text/plain; charset=utf-8")]


@dataclass(frozen=True)
class Engine:
    """One of the ways in which uvicorn can run us."""

    http: Literal["httptools", "h11"]
    loop: Literal["uvloop", "asyncio"]

    def __str__(self) -> str:
        return f"{self.http}-{self.loop}"


ENGINES = [Engine(http, loop) for http in ("httptools", "h11") for loop in ("uvloop", "asyncio")]


def text(body: str | bytes, status: int = 200) -> Response:
    """A plain answer."""
    return Response(status, TEXT, body if isinstance(body, bytes) else body.encode())


def told(fault: WireFault) -> Response:
    """The answer that the layer above would make of a fault."""
    return Response(fault.status, [*TEXT, *fault.headers], fault.type.encode())


class Signal:
    """Something that a test says to the server's thread, or the other way round."""

    def __init__(self) -> None:
        self.given = False

    def give(self) -> None:
        """Say it."""
        self.given = True

    async def wait(self, what_never_happened: str = "the signal was never given") -> None:
        """Return when it was said."""
        await wait_until(lambda: self.given, what_never_happened)


class Stage:
    """One server. `respond` may be exchanged at any time; `reported` holds the defects it was told of."""

    def __init__(
        self,
        engine: Engine,
        *,
        lifespan: Literal["on", "off"] = "on",
        start: Callable[[], Awaitable[None]] | None = None,
        stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.respond: Respond = _nothing_on_stage
        self.reported: list[Exception] = []
        app = Asgi(self._answer, report=self.reported.append, start=start, stop=stop)
        self._socket = socket.create_server((HOST, 0))
        self.port: int = self._socket.getsockname()[1]
        config = uvicorn.Config(
            app,
            http=engine.http,
            loop=engine.loop,
            lifespan=lifespan,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        self.server = uvicorn.Server(config)
        self._thread = Thread(target=self.server.run, args=([self._socket],), name=f"uvicorn {engine}")

    async def open(self) -> None:
        """Start the server, and wait until it serves or has given up."""
        self._thread.start()
        await wait_until(lambda: self.server.started or not self._thread.is_alive(), "the server never started")

    async def close(self) -> None:
        """Stop the server and wait for its thread."""
        self.server.should_exit = True
        await asyncio.to_thread(self._thread.join)
        self._socket.close()

    def connect(self, *, receive_bytes: int | None = None) -> RawHttp:
        """A new connection to the server; a context manager gives it back."""
        raise NotImplementedError

    def is_idle(self) -> bool:
        """Whether nothing is left of any request: no connection and no task."""
        state = self.server.server_state
        return not state.connections and not state.tasks

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        return self.respond(request)


def _nothing_on_stage(request: Request) -> Answer:
    return text("There is nothing on the stage.", 404)
