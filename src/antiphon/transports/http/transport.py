"""The HTTP transport: compiles the routes of an application and serves them over wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.errors import SetupError
from antiphon.core.runtime import Runtime
from antiphon.services.metrics import Metrics
from antiphon.services.sessions.settings import SessionSettings
from antiphon.transports.http.endpoint import Endpoint
from antiphon.transports.http.leftovers import sweep_uploads
from antiphon.transports.http.openapi.document import openapi
from antiphon.transports.http.pages import DocsPages
from antiphon.transports.http.probes import Alive, MetricsPage, Ready
from antiphon.transports.http.routes import Route
from antiphon.transports.http.server import Page, Server
from antiphon.transports.http.settings import HttpSettings
from antiphon.transports.http.static import Static
from antiphon.wire.asgi import Asgi
from antiphon.wire.faults import unavailable
from antiphon.wire.listener import Listener
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response

FINISH_SECONDS = 2.0
"""How long connections have, after the last call, to take the rest of their answers."""

LOCAL_HOSTS = frozenset(("127.0.0.1", "0.0.0.0", "::1", "::"))  # noqa: S104  # they are compared, not listened on
"""Addresses that this machine reaches as `localhost`."""


class Http:
    """Answers the routes of actions, the probes, the documentation and static files."""

    name = "http"

    def __init__(self, *, static: Iterable[Static] = ()) -> None:
        self._static = tuple(static)
        self._server: Server | None = None
        self._document: bytes | None = None
        self._listener: Listener | None = None
        self.port = 0

    @property
    def needs(self) -> Iterable[type]:
        return (HttpSettings, SessionSettings, Metrics)

    def prepare(self, runtime: Runtime) -> None:
        """Compile every route. Two routes of one method and shape are a SetupError."""
        settings = runtime.settings(HttpSettings)
        if runtime.info.production and not settings.hosts:
            raise SetupError(
                "http.hosts is empty, which production refuses. Name the hosts that this server answers for."
            )
        runtime.calls.most = settings.calls
        runtime.call_seconds = settings.call_time.total_seconds()
        server = Server(runtime, settings, secure_cookies=runtime.settings(SessionSettings).cookie_secure)
        runtime.calls.on_long_call = server.clients.watch
        self._server = server
        if any(field.file for action in runtime.actions.values() for field in action.schema.fields):
            server.upload_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            swept = sweep_uploads(server.upload_folder, runtime.clock.now())
            if swept:
                runtime.log.info("http.uploads_swept", count=swept)
        for action in sorted(runtime.actions.values(), key=_declared):
            for route in action.traits_of(Route):
                server.router.add(
                    route.method, route.prefix, route.path, Endpoint(server, runtime.runner(action.name), route)
                )
        self._add_pages(server)
        server.fallbacks.extend(static.serve(server) for static in self._static)
        self._document = None

    def _add_pages(self, server: Server) -> None:
        pages: list[tuple[str, Page]] = [("/healthz", Alive(server)), ("/readyz", Ready(server))]
        development = not server.runtime.info.production
        if server.settings.metrics if server.settings.metrics is not None else development:
            pages.append(("/metrics", MetricsPage(server, server.runtime.require(Metrics, "/metrics").render)))
        if self.shows_docs:
            pages += DocsPages(server).pages()
        for path, page in pages:
            server.router.add("GET", "", path, page)

    async def listen(self) -> None:
        """Serve on the port of the settings. Raises SetupError when it is taken."""
        server = self.server
        self._listener = Listener(
            self.respond,
            refuse=self._refuse,
            unreadable=server.unreadable,
            report=self._report,
            connections=server.settings.connections,
            idle_seconds=server.settings.idle_time.total_seconds(),
        )
        self.port = await self._listener.open(server.settings.host, server.settings.port)
        server.runtime.log.info("http.listening", host=server.settings.host, port=self.port)

    async def drain(self) -> None:
        """Tell clients that this server goes away, and give running calls and streams their time."""
        server = self._server
        if server is None:
            return
        calls, settings = server.runtime.calls, server.settings
        server.leaving = True
        if settings.drain_delay:
            await server.runtime.clock.sleep(settings.drain_delay.total_seconds())
        server.draining.set()
        if self._listener is not None:
            self._listener.close()
        await calls.drain(settings.drain_time.total_seconds())
        if self._listener is not None:
            # From here on nothing more can arrive; what came in the last moment has its time as well.
            self._listener.hush()
            await calls.drain(FINISH_SECONDS)

    async def stop(self) -> None:
        """End what is left, and forget the compiled routes."""
        if self._listener is not None:
            await self._listener.finish(FINISH_SECONDS)
            self._listener = None
        self._server = None

    def _report(self, error: Exception) -> None:
        self.server.runtime.log.error("http.defect", error=error)

    def respond(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer one request: what a server of `wire` is given."""
        if self._server is None:
            return Response(503, [(b"retry-after", b"1"), (b"connection", b"close")])
        return self._server.respond(request)

    def _refuse(self, request: Request) -> Answer:
        server = self.server
        fault = unavailable("The server has as many connections as it may. Try again soon.", close=True)
        return server.refuse(request, fault, server.request_id(request))

    def greeting(self) -> list[str]:
        """Where it answers, for the person who started it."""
        settings = self.server.settings
        host = "localhost" if settings.host in LOCAL_HOSTS else settings.host
        address = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        lines = [f"address   {address}"]
        if self.shows_docs:
            lines.append(f"docs      {address}/docs")
        if not self.server.runtime.settings(SessionSettings).cookie_secure:
            lines.append("cookies   travel over plain http too (SESSION_COOKIE_SECURE=false); production refuses this")
        return lines

    @property
    def server(self) -> Server:
        """The compiled surface. Raises SetupError before the application has started."""
        if self._server is None:
            raise SetupError("The HTTP transport has not been prepared: start the application first.")
        return self._server

    @property
    def shows_docs(self) -> bool:
        """Whether `/docs` and the OpenAPI document are shown."""
        runtime = self.server.runtime
        return not runtime.info.production if self.server.settings.docs is None else self.server.settings.docs

    def openapi(self) -> bytes:
        """The OpenAPI document of every route, as JSON; the same bytes on every start of one version."""
        if self._document is None:
            runtime = self.server.runtime
            self._document = openapi(runtime.info, list[AnyAction](runtime.actions.values()))
        return self._document


def _declared(action: AnyAction) -> tuple[str, int]:
    """Where an action stands: regular expressions are tried in the order in which they were declared."""
    return action.module, action.function.__code__.co_firstlineno


def asgi(app: App) -> Asgi:
    """The application as ASGI 3: for uvicorn and every other ASGI server, to mount or to be mounted."""
    http = app.transport(Http)

    async def start() -> None:
        await app.start()

    def report(error: Exception) -> None:
        if app.runtime is not None:
            app.runtime.log.error("http.defect", error=error)
        else:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "The application did not start", "exception": error}
            )

    respond: Callable[[Request], Answer | Awaitable[Answer]] = http.respond
    return Asgi(respond, report=report, start=start, stop=app.stop)
