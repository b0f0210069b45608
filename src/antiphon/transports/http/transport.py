"""The HTTP transport: compiles the routes of an application and serves them over wire."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import cast

from antiphon.core.access import Rule, anyone, require
from antiphon.core.action import AnyAction
from antiphon.core.app import App
from antiphon.core.context import Context
from antiphon.core.deploy import Finding, Review
from antiphon.core.errors import NotFound, SetupError
from antiphon.core.heap import settle
from antiphon.core.member import Member
from antiphon.core.runtime import Runtime
from antiphon.core.session import Identifier
from antiphon.core.settings import Settings
from antiphon.services.metrics import Metrics
from antiphon.services.rules import admin
from antiphon.services.sessions.settings import SessionSettings
from antiphon.transports.base import HttpSurface, SocketDoor
from antiphon.transports.http.doors import Doors, tls_of
from antiphon.transports.http.endpoint import Endpoint
from antiphon.transports.http.guarded import NO_TOKEN, guarded
from antiphon.transports.http.leftovers import sweep_uploads
from antiphon.transports.http.openapi.document import openapi, undescribed
from antiphon.transports.http.openapi.errors import Ground
from antiphon.transports.http.pages import DocsPages
from antiphon.transports.http.probes import Alive, MetricsPage, Ready
from antiphon.transports.http.routes import Route
from antiphon.transports.http.server import Page, Server
from antiphon.transports.http.settings import HttpSettings, bounds_of
from antiphon.transports.http.sockets import SocketPage
from antiphon.transports.http.static import Static
from antiphon.wire.asgi import Asgi
from antiphon.wire.faults import WireFault, not_found
from antiphon.wire.hosts import Hosts
from antiphon.wire.proxies import TrustedProxies
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response
from antiphon.wire.server.listener import Listener
from antiphon.wire.websocket.asgi import Welcome

FINISH_SECONDS = 2.0
"""How long connections have, after the last call, to take the rest of their answers."""

LOCAL_HOSTS = frozenset(("127.0.0.1", "0.0.0.0", "::1", "::"))  # noqa: S104  # they are compared, not listened on
"""Addresses that this machine reaches as `localhost`."""


class Http(HttpSurface):
    """Answers the routes of actions, the probes, the documentation and static files."""

    name = "http"

    def __init__(self, *, static: Iterable[Static] = (), docs: Rule | None = None, metrics: Rule | None = None) -> None:
        """Serve these folders too; `docs` and `metrics` say who may see the documentation and the counters.

        Without a rule that is everybody outside production, and in production, where both are off until a setting
        switches them on, admins.
        """
        self._static = tuple(static)
        self._docs = docs
        self._metrics = metrics
        self._server: Server | None = None
        self._document: bytes | None = None
        self._listener: Listener | None = None
        self._doors: Doors | None = None
        self._sockets: dict[bytes, SocketPage] = {}
        self.draining = asyncio.Event()
        self.drain_seconds = 0.0
        self.port = 0

    @property
    def needs(self) -> Iterable[type]:
        asked = any(rule is not None and rule is not anyone for rule in (self._docs, self._metrics))
        return (HttpSettings, SessionSettings, Metrics, *((Identifier,) if asked else ()))

    def fresh(self) -> Http:
        """The same transport as it was given, not prepared and not listening."""
        return Http(static=self._static, docs=self._docs, metrics=self._metrics)

    def prepare(self, runtime: Runtime) -> None:
        """Compile every route. Two routes of one method and shape are a SetupError."""
        settings = runtime.settings(HttpSettings)
        runtime.calls.most = settings.calls
        runtime.call_seconds = settings.call_time.total_seconds()
        self._sockets = {}
        self.drain_seconds = settings.drain_time.total_seconds()
        server = Server(runtime, settings, secure_cookies=runtime.settings(SessionSettings).cookie_secure)
        self.draining = server.draining
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

    async def check_deploy(self, review: Review) -> AsyncIterator[Finding]:
        """Pages about the application that everybody may see; hosts, proxies and certificates that cannot be read."""
        settings = review.find(HttpSettings)
        if settings is None:
            return
        if settings.docs and self._docs is anyone:
            yield Finding("warning", "http.docs", "Everybody may read the documentation. Give Http(docs=...) a rule.")
        if settings.metrics and self._metrics is anyone:
            yield Finding("warning", "http.metrics", "Everybody may read the counters. Give Http(metrics=...) a rule.")
        for page, on, rule in (("docs", settings.docs, self._docs), ("metrics", settings.metrics, self._metrics)):
            if on and rule is None and not review.has(Identifier):
                message = f"Is on for admins, and nothing here knows who calls. Write Http({page}=anyone), or a module."
                yield Finding("danger", f"http.{page}", message)
        for action, why in undescribed(review.info, review.actions):
            yield Finding("warning", action.name, f"Keeps the OpenAPI document from being made: {why}")
        readings: list[tuple[str, Callable[[], object]]] = [
            ("http.hosts", lambda: Hosts(settings.hosts)),
            ("http.trusted_proxies", lambda: TrustedProxies(settings.trusted_proxies)),
            ("http.tls_certificate", lambda: tls_of(settings)),
        ]
        for name, read in readings:
            try:
                read()
            except SetupError as error:
                yield Finding("danger", name, str(error))

    def _add_pages(self, server: Server) -> None:
        settings, production = server.settings, server.runtime.info.production
        pages: list[tuple[str, Page]] = [("/healthz", Alive(server)), ("/readyz", Ready(server))]
        if settings.metrics if settings.metrics is not None else not production:
            # Whoever sets a token means it, also at home.
            rule = self._metrics or (admin if production or settings.metrics_token != NO_TOKEN else anyone)
            page = MetricsPage(server, server.runtime.require(Metrics, "/metrics").render)
            pages.append(("/metrics", guarded(server, page, "http:metrics", rule, settings.metrics_token)))
        if self.shows_docs:
            docs = DocsPages(server, shared=self.docs_rule is anyone).pages()
            pages += [(path, guarded(server, page, "http:docs", self.docs_rule)) for path, page in docs]
        for path, page in pages:
            server.router.add("GET", "", path, page)

    def is_proxy(self, address: str) -> bool:
        """Whether this is the address of a proxy that is trusted."""
        return self.server.peers.is_proxy(address)

    def add_socket(self, path: str, door: SocketDoor) -> None:
        """Open sockets at this path."""
        page = self._sockets[path.encode()] = SocketPage(self.server, door)
        self.server.router.add("GET", "", path, page)

    async def welcome(self, request: Request) -> Welcome | Response:
        """Answer a handshake that an ASGI server is doing."""
        server = self._server
        if server is None:
            return Response(503, [(b"retry-after", b"1")])
        try:
            server.peers.check_target(request)
            server.peers.check_head(request)
            page = self._sockets.get(request.path)
            if page is None:
                raise not_found()
        except WireFault as fault:
            return server.refuse(request, fault, server.request_id(request))
        return await page.welcome(request)

    async def listen(self) -> None:
        """Serve where the settings say. Raises SetupError when the port is taken, or a socket or certificate is bad."""
        server = self.server
        tls = tls_of(server.settings)
        member = server.runtime.find(Member)
        self._doors = doors = Doors.open(server.settings) if member is None else Doors.handed_on(member.descriptors)
        self._listener = Listener(
            server.respond,
            refuse=server.turn_away,
            report=self._report,
            exhausted=self._report_exhausted,
            exempt=server.peers.is_proxy,
            bounds=bounds_of(server.settings),
        )
        self.port = doors.port
        places = doors.places
        self._listener.open(doors.sockets, tls)
        server.runtime.log.info("http.listening", at=places)

    async def drain(self) -> None:
        """Tell clients that this server goes away, and give running calls and streams their time."""
        server = self._server
        if server is None:
            self.draining.set()
            return
        calls, settings = server.runtime.calls, server.settings
        server.leaving = True
        if settings.drain_delay:
            await server.runtime.clock.sleep(settings.drain_delay.total_seconds())
        server.drain()
        server.streams.drain()
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
        if self._doors is not None:
            self._doors.close()
            self._doors = None
        if self._server is not None:
            self._server.streams.close()
        self._server = None

    def workers(self, settings: Mapping[type[Settings], Settings]) -> int:
        """How many processes are to serve."""
        wanted = cast("HttpSettings", settings[HttpSettings]).workers
        if wanted not in (0, "auto"):
            return int(wanted)
        # Those that this process may use, which in a container are often fewer.
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def open_doors(self, settings: Mapping[type[Settings], Settings], copies: int) -> Doors:
        """The listening sockets for so many processes, opened for all of them at once. Raises SetupError."""
        return Doors.open(cast("HttpSettings", settings[HttpSettings]), copies=copies)

    def _report(self, error: Exception) -> None:
        self.server.runtime.log.error("http.defect", error=error)

    def _report_exhausted(self, error: OSError) -> None:
        self.server.runtime.log.error("http.no_descriptors", error=error, advice="Raise the limit of open files.")

    def respond(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer one request that an ASGI server has read."""
        server = self._server
        if server is None:
            return Response(503, [(b"retry-after", b"1"), (b"connection", b"close")])
        try:
            server.peers.check_target(request)
        except WireFault as fault:
            return server.turn_away(fault, request)
        return server.respond(request)

    def greeting(self) -> list[str]:
        """Where it answers, for the person who started it."""
        settings = self.server.settings
        if not self.port:
            return [f"address   unix:{place}" for place in (self._doors.places if self._doors else ())]
        host = "localhost" if settings.host in LOCAL_HOSTS else settings.host
        scheme = "https" if settings.tls_certificate is not None else "http"
        address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"
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

    @property
    def docs_rule(self) -> Rule:
        """Who may see them, when they are shown."""
        return self._docs or (admin if self.server.runtime.info.production else anyone)

    async def admit_to_docs(self, ctx: Context) -> None:
        """Return when the caller may see the documentation. Raises NotFound when it is off, NotSignedIn, Forbidden."""
        if not self.shows_docs:
            raise NotFound
        if self.docs_rule is not anyone:
            await require(self.docs_rule, ctx)

    def openapi(self) -> bytes:
        """The OpenAPI document of every route, as JSON; the same bytes on every start of one version."""
        if self._document is None:
            runtime = self.server.runtime
            actions = list[AnyAction](runtime.actions.values())
            self._document = openapi(runtime.info, actions, Ground.of(runtime))
        return self._document


def _declared(action: AnyAction) -> tuple[str, int]:
    """Where an action stands: regular expressions are tried in the order in which they were declared."""
    return action.module, action.function.__code__.co_firstlineno


def asgi(app: App) -> Asgi:
    """The application as ASGI 3: for uvicorn and every other ASGI server, to mount or to be mounted."""
    http = app.transport(Http)

    unsettle: Callable[[], None] | None = None

    async def start() -> None:
        nonlocal unsettle
        runtime = await app.start()
        # A process that tests has many applications, one after another.
        if runtime.info.environment != "test":
            unsettle = settle()

    async def stop() -> None:
        if unsettle is not None:
            unsettle()
        await app.stop()

    def report(error: Exception) -> None:
        if app.runtime is not None:
            app.runtime.log.error("http.defect", error=error)
        else:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "The application did not start", "exception": error}
            )

    respond: Callable[[Request], Answer | Awaitable[Answer]] = http.respond
    return Asgi(respond, report=report, start=start, stop=stop, door=http.welcome)
