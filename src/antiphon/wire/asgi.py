"""The adapter from ASGI 3 to `respond(request)`: requests, plain answers, streams, files, and the server's lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast, final

from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.lifespan import Event, Lifespan, Receive, Send
from antiphon.wire.pieces import PIECE_BYTES, FilePieces
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.response import Answer, FileResponse, Headers, Response, StreamResponse

Respond = Callable[[Request], Answer | Awaitable[Answer]]
"""What answers: at once, or with something to await."""

START = "http.response.start"
BODY = "http.response.body"
_END: Event = {"type": BODY, "body": b""}

_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_DEFECT = Response(500, _JSON, b'{"error":{"type":"DEFECT","message":"Something went wrong on our side."}}')
_NOT_RUNNING = Response(
    503,
    [*_JSON, (b"retry-after", b"1")],
    b'{"error":{"type":"UNAVAILABLE","message":"The server is not running yet, or no longer.","retryAfter":1}}',
)

LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
_CHUNKS_BETWEEN_TURNS = 16


class AnswerCut(Exception):
    """An answer broke off after its head had left; the server must close the connection so that nobody takes it for whole."""


# What is sent, for each kind of answer. The promise behind all of it: an answer that ends normally is whole, and
# no byte of a body is read as the next request.
#
#   Response              start, one body
#   ... body not read     start with "connection: close", body, the rest of the request thrown away, end
#   StreamResponse        start, a body for each chunk, end; the iterator is closed whatever happens
#   FileResponse          start with the length, a body for each 256 KiB, end; on_sent whatever happens
#   HEAD, 204, 304        start, one empty body
#   the client leaves     nothing more; what produces the body is cancelled at its next wait
#   it breaks before start   500 DEFECT        it breaks after start   AnswerCut, and the server closes


@final
class Asgi:
    """An ASGI 3 application that answers HTTP through one function.

    `respond` never raises for a fault of the caller: what escapes it is a defect, told to `report` and answered
    with a bare 500. `start` runs once before the first request and `stop` after the last, if the server tells when.
    """

    __slots__ = ("_lifespan", "_report", "_respond")

    def __init__(
        self,
        respond: Respond,
        *,
        report: Callable[[Exception], None],
        start: Callable[[], Awaitable[None]] | None = None,
        stop: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._respond = respond
        self._report = report
        self._lifespan = Lifespan(start, stop, report)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one HTTP request, refuse a WebSocket, or follow the server's lifespan."""
        if scope["type"] != "http":
            await self._serve_other(scope["type"], receive, send)
            return
        request = AsgiRequest(scope, receive)
        try:
            try:
                if self._lifespan.running or await self._lifespan.begin():
                    answer = self._respond(request)
                    if type(answer) is not Response and not isinstance(answer, StreamResponse | FileResponse):
                        answer = await cast("Awaitable[Answer]", answer)
                else:
                    answer = _NOT_RUNNING
            except ClientLeft:
                return
            except Exception as defect:  # noqa: BLE001  # the last place where it can become an answer
                self._report(defect)
                answer = _DEFECT
            if type(answer) is not Response:
                await self._send_body_later(request, answer, send)
            elif request.is_unread():
                await _send_and_linger(request, answer, send)
            else:
                # The hot path: everything that a plain answer does not need stands elsewhere.
                body = answer.body
                headers = answer.headers
                if answer.status != 204 and answer.status != 304:
                    headers = [*headers, (b"content-length", b"%d" % len(body))]
                    if request.method == "HEAD":
                        body = b""
                else:
                    body = b""
                await send({"type": START, "status": answer.status, "headers": headers})
                await send({"type": BODY, "body": body})
        except OSError:
            # ASGI 2.4: a server may say so when the client has gone. Nothing else that raises it gets here.
            request.left = True
        finally:
            request.release()
