"""The ceiling of Antiphon's ASGI adapter: bare uvicorn that sends the same eleven headers as Antiphon does."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from bench.http.servers import bare
from bench.http.servers.tally import new_request_id
from bench.http.serving import serve_asgi

if TYPE_CHECKING:
    from starlette.types import Send

SAME = [
    bare.JSON,
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
    (b"vary", b"origin"),
]
"""Eight of them; the length and the request id are of the answer, and the date is uvicorn's."""


class Same:
    """How every answer is sent."""

    async def reply(self, send: Send, status: int, body: bytes) -> None:
        """Send one whole answer."""
        own = [(b"content-length", b"%d" % len(body)), (b"x-request-id", new_request_id().encode())]
        await send({"type": "http.response.start", "status": status, "headers": SAME + own})
        await send({"type": "http.response.body", "body": body})


class Bare(Same, bare.Bare):
    """The three works without layers."""


class Layered(Same, bare.Layered):
    """Work (c): what three middlewares would do, by hand and in one place."""


def serve(listener: socket.socket, *, layered: bool) -> None:
    """Serve the works, with the three middlewares or without."""
    serve_asgi(Layered() if layered else Bare(), listener, server_header=False)
