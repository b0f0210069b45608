"""The two ways in which an application is served over HTTP, behind one face for the tests of both."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import uvicorn

from antiphon import App, Http, Module
from antiphon.core.runtime import Runtime
from antiphon.testing.raw import RawAnswer, RawHttp
from antiphon.testing.waiting import wait_until
from antiphon.transports.http.transport import asgi
from tests.transports import surface, surface_streams
from tests.transports.surface import Watch

HOST = "127.0.0.1"

type Way = Literal["listener", "httptools", "h11"]
"""Our own listener, or the application as ASGI under a plain uvicorn with this parser."""

WAYS: tuple[Way, ...] = ("listener", "httptools", "h11")


@dataclass
class Answered:
    """An answer, with its JSON read when asked for."""

    raw: RawAnswer

    @property
    def status(self) -> int:
        """The status."""
        return self.raw.status

    @property
    def body(self) -> bytes:
        """The body without its framing."""
        return self.raw.body

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.raw.body)

    @property
    def error(self) -> Any:
        """The error object."""
        return self.json["error"]

    @property
    def type(self) -> str:
        """The type of the error."""
        return self.error["type"]

    def header(self, name: str) -> str | None:
        """The value of a header by its lower-case name."""
        return self.raw.header(name)


@dataclass
class Served:
    """An application that listens."""

    app: App
    port: int
    watch: Watch
    folder: Path

    @property
    def runtime(self) -> Runtime:
        """The running application."""
        assert self.app.runtime is not None
        return self.app.runtime

    @property
    def http(self) -> Http:
        """Its HTTP transport."""
        return self.app.transport(Http)

    @property
    def uploads(self) -> list[str]:
        """What stands in the folder of uploads."""
        folder = self.folder / "var" / "uploads"
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def connect(self, *, receive_bytes: int | None = None) -> AbstractAsyncContextManager[RawHttp]:
        """A connection, for a block."""
        return RawHttp.to(HOST, self.port, receive_bytes=receive_bytes)

    async def ask(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> Answered:
        """Send one request on a connection of its own: `body` as JSON, `raw` as it is, `_` in a header as `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            raw = json.dumps(body).encode()
            sent = {"content-type": "application/json", **sent}
        async with self.connect() as connection:
            return Answered(await connection.request(method, path, sent, raw))

    async def get(self, path: str, **headers: str) -> Answered:
        """Send a GET."""
        return await self.ask("GET", path, raw=None, **headers)


@asynccontextmanager
async def serving(
    folder: Path,
    settings: Mapping[str, object] | None = None,
    way: Way = "listener",
    environment: str = "test",
    **sections: Mapping[str, object],
) -> AsyncGenerator[Served]:
    """The surface, served on these settings of the section `http` (and of others) for as long as the block."""
    watch = Watch()
    app = _application(watch, {"http": settings or {}, **sections}, folder)
    if way == "listener":
        async with app.running(environ={"ANTIPHON_ENV": environment}, listen=True):
            yield Served(app, app.transport(Http).port, watch, folder)
        return
    async with behind_uvicorn(app, way) as port:
        yield Served(app, port, watch, folder)


@asynccontextmanager
async def behind_uvicorn(
    app: App, parser: Literal["httptools", "h11"] = "httptools", ws: Literal["none", "auto"] = "none"
) -> AsyncGenerator[int]:
    """The application as ASGI under a plain uvicorn, on this port, for as long as the block."""
    with socket.create_server((HOST, 0)) as listening:
        config = uvicorn.Config(
            asgi(app),
            http=parser,
            ws=ws,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            await wait_until(lambda: server.started or running.done(), "uvicorn never started")
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            await running


def _application(watch: Watch, settings: Mapping[str, Mapping[str, object]], folder: Path) -> App:
    """A new application with every action of the surface."""
    return App(
        "surface",
        version="1.2.3",
        modules=[Module(surface.__name__), Module(surface_streams.__name__)],
        transports=[Http()],
        values=[watch],
        settings={
            **settings,
            "http": {"port": 0, **settings.get("http", {})},
            "session": {"cookie_secure": False, **settings.get("session", {})},
            "log": {"level": "error"},
        },
        folder=folder,
    )


def form(*parts: tuple[str, bytes], boundary: str = "frontier") -> tuple[str, bytes]:
    """A multipart body of these parts, each the rest of its Content-Disposition and its bytes, and its type."""
    lines: list[bytes] = []
    for disposition, content in parts:
        lines += [
            f"--{boundary}".encode(),
            f"Content-Disposition: form-data; {disposition}".encode(),
            b"",
            content,
        ]
    return f"multipart/form-data; boundary={boundary}", b"\r\n".join([*lines, f"--{boundary}--".encode(), b""])
