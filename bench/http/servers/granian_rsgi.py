"""Raw RSGI on granian: the works written by hand against its own interface, one worker and one thread."""

from __future__ import annotations

from time import perf_counter
from typing import Any

from granian.constants import Interfaces
from granian.rsgi import Scope

from bench.http.serve import end_with_parent
from bench.http.servers.by_hand import FORBIDDEN, ITEMS, NOT_FOUND, encode, put_item
from bench.http.servers.granian_worker import serve_with
from bench.http.servers.items import Status
from bench.http.servers.tally import Tally, blocked, new_request_id

JSON = ("content-type", "application/json")


class Plain:
    """The works without layers."""

    def __init__(self) -> None:
        self.count = 0

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer one request."""
        status, body = await self.answer(scope, protocol)
        protocol.response_bytes(status, [JSON], body)

    async def answer(self, scope: Scope, protocol: Any) -> tuple[int, bytes]:
        """The status and the body."""
        path = scope.path
        if path == "/api/status" and scope.method == "GET":
            self.count += 1
            return 200, encode(Status("bench", self.count))
        if path.startswith(ITEMS) and scope.method == "PUT":
            return put_item(path[11:], scope.query_string.encode(), await protocol())
        return 404, NOT_FOUND


class Layered(Plain):
    """Work (c): what three middlewares would do, by hand and in one place."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()

    async def __rsgi__(self, scope: Scope, protocol: Any) -> None:
        """Answer one request."""
        started = perf_counter()
        self.tally.count()
        if blocked(scope.headers.get("user-agent")):
            status, body = 403, FORBIDDEN
        elif scope.path == "/api/tally":
            status, body = 200, encode(self.tally.shown())
        else:
            status, body = await self.answer(scope, protocol)
        self.tally.time(perf_counter() - started)
        protocol.response_bytes(status, [JSON, ("x-request-id", new_request_id())], body)


def plain() -> Any:
    """What a worker of granian serves."""
    end_with_parent()
    return Plain()


def layered() -> Any:
    """What a worker of granian serves, with the three middlewares."""
    end_with_parent()
    return Layered()


def serve_on(port: int, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_with(Interfaces.RSGI, __name__, port, layered=layered)
