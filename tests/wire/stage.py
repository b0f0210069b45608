"""A real uvicorn in a thread with a loop of its own, whose every answer comes from what a test puts on the stage."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from threading import Thread
from typing import Literal, Self

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
        self._thread = Thread(target=self._run, name=f"uvicorn {engine}")

    def __enter__(self) -> Self:
        # Nobody needs to wait: the socket listens already, and holds connections until the server takes them.
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True
        self._thread.join()
        self._socket.close()

    def connect(self, *, receive_bytes: int | None = None) -> AbstractAsyncContextManager[RawHttp]:
        """A connection to the server, for a block."""
        return RawHttp.to(HOST, self.port, receive_bytes=receive_bytes)

    @property
    def is_over(self) -> bool:
        """Whether the server has ended."""
        return not self._thread.is_alive()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left of any request: no connection and no task."""
        state = self.server.server_state
        return not state.connections and not state.tasks

    def _run(self) -> None:
        try:
            self.server.run([self._socket])
        except SystemExit:
            # How uvicorn ends when the start failed; in a thread it would be a warning.
            pass

    def clear(self) -> None:
        """Forget what the last test put here."""
        self.respond = _nothing_on_stage
        self.reported.clear()

    def claim(self) -> list[Exception]:
        """The defects that were reported, which the test expected."""
        claimed = list(self.reported)
        self.reported.clear()
        return claimed

    def _answer(self, request: Request) -> Answer | Awaitable[Answer]:
        return self.respond(request)


def _nothing_on_stage(request: Request) -> Answer:
    return text("There is nothing on the stage.", 404)
