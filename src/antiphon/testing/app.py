"""An application running for a test: called directly, over HTTP on a real socket, or from the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from click.testing import CliRunner

from antiphon.application import App
from antiphon.client import Client
from antiphon.core.action import Action, Stream
from antiphon.core.caller import SYSTEM, Caller
from antiphon.core.clock import Clock
from antiphon.core.connection import Connection
from antiphon.core.runtime import Runtime
from antiphon.core.transport import Transport
from antiphon.testing.raw import RawAnswer, RawHttp
from antiphon.transports.http.transport import Http

HOST = "127.0.0.1"
_BOUNDARY = "the-parts-of-this-form"
BASE = {
    "ANTIPHON_ENV": "test",
    "HTTP_PORT": "0",
    "SESSION_COOKIE_SECURE": "false",
    "LOG_LEVEL": "warning",
    # Calls are limited in tests as elsewhere, and the suite itself, which is one address, is over none of the defaults.
    "LIMITS_SCALE": "1000",
    # A machine that runs many tests at once may take long for what is quick: that is no sign of a store or a database
    # that is away.
    "LIMITS_STORE_TIME": "5s",
    "DATABASE_CONNECT_TIME": "10s",
    "DATABASE_WAIT": "10s",
}


@dataclass(frozen=True)
class Command:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str
    out_bytes: bytes = b""

    @property
    def result(self) -> Any:
        """Standard output, read as JSON."""
        return json.loads(self.out)

    @property
    def items(self) -> list[Any]:
        """Standard output, read as one JSON value a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def error(self) -> Any:
        """The error object: the last line of standard error, after what was logged."""
        return json.loads(self.err.splitlines()[-1])["error"]


def again(app: App, folder: Path | None = None, *, clock: Clock | None = None) -> App:
    """The same application, not started and with a state of its own; so no two tests meet in it."""
    return App(
        app.name,
        version=app.version,
        modules=app.modules,
        transports=[_fresh(transport) for transport in app.transports],
        middleware=app.middleware,
        values=app.values,
        settings=app.settings,
        folder=folder or app.folder,
        clock=clock or app.clock,
    )


def _fresh(transport: Transport) -> Transport:
    """The transport as it was given to the application; one that was given nothing is made anew."""
    fresh: Callable[[], Transport] = getattr(transport, "fresh", type(transport))
    return fresh()


class TestApp:
    """A started application. Every connection and cookie of a client belongs to the client, not to this."""

    __test__ = False  # pytest collects classes by this name

    def __init__(self, app: App, runtime: Runtime, environ: Mapping[str, str]) -> None:
        self.app = app
        self.runtime = runtime
        self.environ = environ

    @classmethod
    @asynccontextmanager
    async def start(
        cls,
        app: App,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        *,
        listen: bool = True,
        clock: Clock | None = None,
    ) -> AsyncGenerator[Self]:
        """Run the application on this folder and these settings, listening on a free port, for as long as the block.

        What is run is a copy: the application itself is not touched.
        """
        copy = again(app, folder, clock=clock)
        settings = {**BASE, **(environ or {})}
        async with copy.running(environ=settings, listen=listen) as runtime:
            yield cls(copy, runtime, settings)

    @classmethod
    def commands(cls, app: App, folder: Path, environ: Mapping[str, str] | None = None) -> Commands:
        """The commands of an application that is not started, on this folder and these settings."""
        return Commands(again(app, folder), {**BASE, **(environ or {})})

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.app.transport(Http).port

    async def call[**P, R](self, action: Action[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call an action directly, as the system, with its rule, layers and checks."""
        return await self.call_as(SYSTEM, action, *args, **kwargs)

    async def call_as[**P, R](self, caller: Caller, action: Action[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call an action directly, as somebody."""
        ctx = self.runtime.context(action, Connection("direct"), caller=caller)
        return await self.runtime.runner(action.name).run(ctx, lambda given: action.call(*given).inputs, (args, kwargs))

    async def stream[**P, R](self, action: Stream[P, R], /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[R]:
        """Begin a streaming action, called directly as the system; what can be refused is refused here."""
        ctx = self.runtime.context(action, Connection("direct"), caller=SYSTEM)
        runner = self.runtime.runner(action.name)
        return await runner.open_stream(ctx, lambda given: action.call(*given).inputs, (args, kwargs))

    def client(self) -> HttpClient:
        """A client with cookies of its own."""
        return HttpClient(self.port)

    async def command(self, *args: str, stdin: str = "") -> Command:
        """Run a command as another process would: a second application on the same folder and settings.

        `stdin` is what the command reads from standard input.
        """
        return await Commands(self.app, self.environ).command(*args, stdin=stdin)


class Commands:
    """The command line of an application, run in a thread of this process."""

    def __init__(self, app: App, environ: Mapping[str, str]) -> None:
        self.app = app
        self.environ = environ

    async def command(self, *args: str, stdin: str = "") -> Command:
        """Run a command to its end; `stdin` is what it reads from standard input."""
        # A loop belongs to its thread, and the command makes its own.
        result = await asyncio.to_thread(
            CliRunner().invoke,
            again(self.app).cli,
            list(args),
            input=stdin,
            env=dict(self.environ),
            prog_name=self.app.name,
        )
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Command(result.exit_code, result.stdout, result.stderr, result.stdout_bytes)


class HttpClient:
    """Makes requests, each on a connection of its own, and keeps cookies as a browser would."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookies: dict[str, str] = {}

    @asynccontextmanager
    async def live(self, path: str = "/ws") -> AsyncGenerator[Client]:
        """The Python client on a socket that is known by this client's cookies, connected for as long as the block."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        async with Client.connect(f"ws://{HOST}:{self.port}{path}", cookie=cookie or None) as client:
            yield client

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> HttpAnswer:
        """Send one request; `body` goes as JSON, `raw` as it is."""
        sent = {"Host": f"localhost:{self.port}", **(headers or {})}
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        if self.cookies:
            sent.setdefault("Cookie", "; ".join(f"{name}={value}" for name, value in self.cookies.items()))
        async with RawHttp.to(HOST, self.port) as connection:
            answer = await connection.request(method, path, sent, raw)
        for line in answer.header_values("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in line:
                del self.cookies[name]
        return HttpAnswer(answer)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send a GET."""
        return await self.request("GET", path, headers=headers)

    async def put(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send a PUT with a JSON body."""
        return await self.request("PUT", path, body, headers=headers)

    async def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send a POST with a JSON body."""
        return await self.request("POST", path, body, headers=headers)

    async def upload(self, path: str, name: str, data: bytes, **fields: str) -> HttpAnswer:
        """Send a file under this name, as the form of a browser does, with text fields beside it."""
        parts = [f'\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{text}' for key, text in fields.items()]
        head = f'\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        body = b"".join(f"--{_BOUNDARY}{part}\r\n".encode() for part in parts)
        body += f"--{_BOUNDARY}{head}".encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()
        return await self.request(
            "POST", path, headers={"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}, raw=body
        )

    async def delete(self, path: str, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Send a DELETE."""
        return await self.request("DELETE", path, headers=headers)


class HttpAnswer:
    """An answer, with its JSON read when asked for."""

    def __init__(self, raw: RawAnswer) -> None:
        self.raw = raw
        self.status = raw.status
        self.body = raw.body

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.raw.body)

    @property
    def error(self) -> Any:
        """The error object."""
        return self.json["error"]

    def header(self, name: str) -> str | None:
        """The value of a header by its lower-case name."""
        return self.raw.header(name)
