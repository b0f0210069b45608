"""What answers every HTTP request of one application: guards, routes, pages, and what all answers carry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from antiphon.core.context import Context
from antiphon.core.errors import CallError, Defect, TransportFault
from antiphon.core.runtime import Runtime
from antiphon.transports.base import Told, encode_error
from antiphon.transports.http.answers import NO_STORE, VARY, Cookies, replay_fields
from antiphon.transports.http.browsers import POLICY, SAFE, SECURITY, STRICT_TRANSPORT, Browsers
from antiphon.transports.http.clients import Clients
from antiphon.transports.http.connection import NO_PATH_INPUTS
from antiphon.transports.http.ends import StreamEnds
from antiphon.transports.http.errors import error_body, error_headers, status_of
from antiphon.transports.http.limits import limit_fields
from antiphon.transports.http.peers import ACCEPTED, PLAIN, Peers, is_plain
from antiphon.transports.http.router import Router
from antiphon.transports.http.settings import HttpSettings
from antiphon.wire.encoding import Encoder
from antiphon.wire.faults import WireFault, not_found
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, Headers, Response

JSON = b"application/json"
CLOSE = (b"connection", b"close")


class Page(Protocol):
    """Something that answers at a path: an action's endpoint, a probe, a page of documentation."""

    def respond(
        self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /
    ) -> Answer | Awaitable[Answer]:
        """The answer, now or soon."""
        ...


class Fallback(Protocol):
    """What answers when no route does: static files."""

    def find(self, request: Request) -> Awaitable[Answer] | None:
        """The answer, to whatever method, or None when there is nothing here either."""
        ...


class Server:
    """One application's HTTP surface, above wire and below no particular server."""

    def __init__(self, runtime: Runtime, settings: HttpSettings, *, secure_cookies: bool) -> None:
        self.runtime = runtime
        self.settings = settings
        self.peers = Peers(settings)
        self.browsers = Browsers(settings.origins, self.peers)
        self.cookies = Cookies(secure=secure_cookies)
        self.coding = Encoder()
        self.clients = Clients()
        self.router: Router[Page] = Router(settings.path_segments)
        self._fixed = self.router.fixed
        self.fallbacks: list[Fallback] = []
        self.upload_folder = runtime.info.folder / "uploads"
        self.draining = asyncio.Event()
        self.leaving = False
        self.streams = StreamEnds(runtime)
        self.new_id = runtime.ids.uuid7
        self.plain = not self.browsers.shares and not settings.trusted_proxies
        """Whether clients are all alike: over HTTP without TLS, nothing in an answer depends on who asked."""

    def drain(self) -> None:
        """From here on every answer says that the connection ends with it."""
        self.plain = False
        self.draining.set()

    # One request

    def respond(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer one request. Faults of the caller never leave here as exceptions."""
        try:
            head, method = request.head, request.method
            if not head.notes & ACCEPTED:
                self.peers.check_head(request)
            resource = self._fixed.get(request.path)
            page = resource.endpoints.get(method) if resource is not None else None
            if page is None:
                return self._find(request)
            if method not in SAFE and not head.notes & PLAIN and not is_plain(head):
                self.browsers.refuse_cross_site(request)
            return page.respond(request, NO_PATH_INPUTS)
        except Exception as error:  # noqa: BLE001  # told apart there
            return self.fail(request, error, self.request_id(request))

    def turn_away(self, fault: WireFault, request: Request | None) -> Response:
        """The answer to bytes that are no request, or to a request that nobody has room for."""
        if request is not None:
            return self.refuse(request, fault, self.request_id(request))
        request_id = self.runtime.ids.uuid7()
        body = encode_error(fault, request_id, self.runtime.clock.now())
        return Response(fault.status, self._error_headers(fault, JSON, request_id), body)

    def _find(self, request: Request) -> Answer | Awaitable[Answer]:
        method = request.method
        if method == "OPTIONS" and request.path == b"*":
            # Nothing is true of every path here.
            raise not_found()
        try:
            if method == "OPTIONS":
                return self.options(request, self.router.resource(request.path)[0].methods)
            page, path_inputs = self.router.find("GET" if method == "HEAD" else method, request.path)
        except WireFault as fault:
            if fault.type == "NOT_FOUND":
                for fallback in self.fallbacks:
                    answer = fallback.find(request)
                    if answer is not None:
                        return answer
            raise
        if method not in SAFE and not request.head.notes & PLAIN and not is_plain(request.head):
            self.browsers.refuse_cross_site(request)
        return page.respond(request, path_inputs)

    def options(self, request: Request, methods: Sequence[str]) -> Answer:
        """What may be asked at a path, for programs and for the browsers' preflight."""
        headers: Headers = [
            (REQUEST_ID, self.request_id(request).encode()),
            (b"allow", ", ".join(methods).encode()),
            *SECURITY,
            POLICY,
            NO_STORE,
            VARY,
            *self.browsers.preflight(request, methods),
        ]
        return self.finish(request, Response(204, headers))

    # What every answer carries

    def request_id(self, request: Request) -> str:
        """A new id, or the one that a trusted proxy gave."""
        if self.plain:
            return self.new_id()
        return self.peers.request_id(request) or self.new_id()

    def finish[A: Answer](self, request: Request, answer: A) -> A:
        """Add what depends on the client or on the server's state."""
        if self.plain and request.scheme == "http":
            return answer
        headers = list(answer.headers)
        if self.peers.is_secure(request):
            headers.append(STRICT_TRANSPORT)
        headers += self.browsers.headers(request)
        if self.draining.is_set() and CLOSE not in headers:
            headers.append(CLOSE)
        answer.headers = headers
        return answer

    def fail(self, request: Request, error: Exception, request_id: str, ctx: Context | None = None) -> Response:
        """The answer for whatever was raised; what nobody foresaw is told to the log and is a Defect to the caller."""
        if isinstance(error, CallError | Defect | TransportFault):
            return self.refuse(request, error, request_id, ctx)
        log = self.runtime.log if ctx is None else ctx.log
        log.error("http.defect", error=error, request_id=request_id)
        return self.refuse(request, Defect(), request_id, ctx)

    def refuse(self, request: Request, error: Told, request_id: str, ctx: Context | None = None) -> Response:
        """The answer for an error."""
        kind, body = error_body(error, request, request_id, self.runtime.clock.now(), self.settings.public_url)
        headers = self._error_headers(error, kind, request_id)
        if ctx is not None:
            headers += self.cookies.headers(ctx)
            headers += limit_fields(ctx.facts)
            headers += replay_fields(ctx)
        return self.finish(request, Response(status_of(error, request), headers, body))

    def _error_headers(self, error: Told, kind: bytes, request_id: str) -> Headers:
        return [
            (REQUEST_ID, request_id.encode()),
            (b"content-type", kind),
            *SECURITY,
            POLICY,
            NO_STORE,
            VARY,
            *error_headers(error),
        ]
