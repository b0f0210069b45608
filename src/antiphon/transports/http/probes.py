"""Whether the process lives (`/healthz`), whether it can serve (`/readyz`), and what it counts (`/metrics`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from antiphon.core.errors import Unavailable
from antiphon.core.health import Health, health_of
from antiphon.transports.http.answers import NO_STORE, VARY
from antiphon.transports.http.browsers import POLICY, SECURITY
from antiphon.transports.http.connection import NO_PATH_INPUTS
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, Headers, Response

if TYPE_CHECKING:
    from antiphon.transports.http.server import Server


class Probe:
    """A page for machines: small, without a session, in no log and under no limit."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def headers(self, request: Request, kind: bytes) -> Headers:
        """What the answer of a probe carries."""
        request_id = self.server.request_id(request).encode()
        return [(REQUEST_ID, request_id), (b"content-type", kind), *SECURITY, POLICY, NO_STORE, VARY]


class Alive(Probe):
    """200 while the loop turns; touches nothing else."""

    def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /) -> Answer:
        return self.server.finish(request, Response(200, self.headers(request, b"application/json"), b'{"alive":true}'))


class Ready(Probe):
    """200 or 503: not while starting, migrating or draining, nor when a critical part is down."""

    def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /) -> Awaitable[Answer]:
        return self._respond(request)

    async def _respond(self, request: Request) -> Answer:
        checks = await health_of(self.server.runtime.health_checks())
        critical = {check.health_name for check in self.server.runtime.health_checks() if check.health_critical}
        draining = self.server.leaving
        ready = not draining and all(state is not Health.DOWN for name, state in checks.items() if name in critical)
        shown = {name: state.value for name, state in checks.items()} | ({"draining": "yes"} if draining else {})
        body = msgspec.json.encode({"ready": ready, "checks": shown})
        headers = self.headers(request, b"application/json")
        if not ready:
            headers.append((b"retry-after", b"1"))
        return self.server.finish(request, Response(200 if ready else 503, headers, body))


type Shown = tuple[str, bytes]
"""A content type and a text."""


class MetricsPage(Probe):
    """The counters as Prometheus text; 503 when the other processes of a crew cannot be asked."""

    def __init__(self, server: Server, render: Callable[[], Shown | Awaitable[Shown]]) -> None:
        super().__init__(server)
        self._render = render

    def respond(
        self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /
    ) -> Answer | Awaitable[Answer]:
        shown = self._render()
        return self._show(request, *shown) if isinstance(shown, tuple) else self._wait(request, shown)

    async def _wait(self, request: Request, shown: Awaitable[Shown]) -> Answer:
        try:
            return self._show(request, *await shown)
        except Unavailable as error:
            return self.server.refuse(request, error, self.server.request_id(request))

    def _show(self, request: Request, kind: str, body: bytes) -> Answer:
        return self.server.finish(request, Response(200, self.headers(request, kind.encode()), body))
