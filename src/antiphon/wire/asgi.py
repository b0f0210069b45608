"""The adapter from ASGI 3 to `respond(request)`: plain answers, streams, files, and the server's lifespan."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, final

from antiphon.wire.asgi_head import AsgiHeads
from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.asgi_sending import BODY, END, START, pour, put, put_head, put_plain
from antiphon.wire.lifespan import Lifespan, Receive, Send
from antiphon.wire.pieces import PIECE_BYTES, CameUpShort, FilePieces
from antiphon.wire.request import ClientLeft, Request
from antiphon.wire.response import DEFECT, NOT_AT_ONCE, Answer, FileResponse, Respond, Response, StreamResponse
from antiphon.wire.websocket.asgi import Door, Welcome, serve_socket

_JSON = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
_NOT_RUNNING = Response(
    503,
    [*_JSON, (b"retry-after", b"1")],
    b'{"error":{"type":"UNAVAILABLE","message":"The server is not running yet, or no longer.","retryAfter":1}}',
)

# What is sent for each kind of answer. The promises behind it: an answer that ends normally is whole, and no byte of
# a body is read as the next request.
#
#   Response                    start with the length, one body
#   ... the body not read       start with the length and "connection: close", body, the rest thrown away, end
#   StreamResponse              start, a body for each chunk, end; the iterator is closed whatever happens
#   FileResponse                start with the length, a body for each 256 KiB, end; `on_sent` whatever happens
#   HEAD, 204, 304              start as above (204 and 304 without a length), one empty body
#   the client leaves           nothing more; what produces the body is cancelled at its next wait
#   a defect before start       500 DEFECT
#   a defect after start        AnswerCut, upon which the server closes the connection


class AnswerCut(Exception):
    """An answer broke off after its head; the server must close, so that nobody takes it for whole."""


@final
class Asgi:
    """An ASGI 3 application that answers HTTP through one function.

    `respond` never raises for a fault of the caller: what escapes it is a defect, told to `report` and answered
    with a bare 500. `start` runs once before the first request is answered, and `stop` after the last one if the
    server says when that is.
    """

    __slots__ = ("_door", "_heads", "_lifespan", "_report", "_respond")

    def __init__(
        self,
        respond: Respond,
        *,
        report: Callable[[Exception], None],
        start: Callable[[], Awaitable[None]] | None = None,
        stop: Callable[[], Awaitable[None]] | None = None,
        door: Door | None = None,
    ) -> None:
        self._respond = respond
        self._door = door
        self._report = report
        self._heads = AsgiHeads()
        self._lifespan = Lifespan(start, stop, report)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request, refuse a WebSocket, or follow the server's lifespan."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        request = AsgiRequest(scope, receive, self._heads)
        try:
            try:
                if self._lifespan.running or await self._lifespan.begin():
                    answer = self._respond(request)
                    if type(answer) is not Response and not isinstance(answer, NOT_AT_ONCE):
                        answer = await answer
                else:
                    answer = _NOT_RUNNING
            except ClientLeft:
                return
            except Exception as defect:  # noqa: BLE001  # the last place where it can become an answer
                self._report(defect)
                answer = DEFECT
            # From here to the last `send` is the hot path: what a plain answer does not need stands elsewhere.
            if type(answer) is not Response:
                await self._send_later(request, answer, send)
                return
            status = answer.status
            if status == 204 or status == 304 or request.method == "HEAD" or (request.has_body and request.is_unread()):
                await put_plain(request, answer, send)
                return
            body = answer.body
            headers = [*answer.items(), (b"content-length", b"%d" % len(body))]
            await send({"type": START, "status": status, "headers": headers})
            await send({"type": BODY, "body": body})
        except (ClientLeft, OSError):
            # OSError is how a server of ASGI 2.4 says it; nothing else that raises one is within.
            request.left = True
        finally:
            request.release()

    async def _serve_other(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan.serve(receive, send)
        elif kind == "websocket":
            await serve_socket(scope, receive, send, self._welcome)
        else:
            raise ValueError(f"The ASGI scope {kind!r} is not known here; http, websocket and lifespan are.")

    async def _welcome(self, request: Request) -> Welcome | Response:
        try:
            if self._door is None or not (self._lifespan.running or await self._lifespan.begin()):
                return _NOT_RUNNING
            answer = self._door(request)
            return await answer if isawaitable(answer) else answer
        except Exception as defect:  # noqa: BLE001  # the last place where it can become an answer
            self._report(defect)
            return DEFECT

    async def _send_later(self, request: AsgiRequest, answer: Answer, send: Send) -> None:
        if not isinstance(answer, StreamResponse | FileResponse):
            raise TypeError(f"{answer!r} can only be given by our own server.")
        try:
            if type(answer) is StreamResponse:
                await self._send_stream(request, answer, send)
            else:
                await self._send_file(request, answer, send)
        except ClientLeft:
            raise
        except Exception as defect:  # noqa: BLE001  # raised again, in a form that a server may log
            self._report(defect)
            # Without its cause, which was reported: the server's own log may not be as careful with secrets.
            raise AnswerCut(f"{answer!r} broke off; the cause was reported.") from None
        finally:
            await self._finish(answer)

    async def _send_stream(self, request: AsgiRequest, answer: StreamResponse, send: Send) -> None:
        await put_head(request, answer.status, answer.headers, send)
        if not _is_bodyless(request, answer):
            await pour(request, answer.chunks, send)
        await put(send, END)

    async def _send_file(self, request: AsgiRequest, answer: FileResponse, send: Send) -> None:
        headers = answer.headers
        if answer.status not in (204, 304):
            headers = [*headers, (b"content-length", b"%d" % answer.count)]
        if _is_bodyless(request, answer) or not answer.count:
            await put_head(request, answer.status, headers, send)
            await put(send, END)
            return
        pieces = FilePieces(answer.path, answer.offset, answer.count)
        try:
            try:
                await pieces.begin()
            except (OSError, CameUpShort) as defect:
                # Nothing has left yet, so this can still be an answer of its own.
                self._report(defect)
                await put_plain(request, DEFECT, send)
                return
            await put_head(request, answer.status, headers, send)
            if answer.count <= PIECE_BYTES:
                await put(send, {"type": BODY, "body": await anext(pieces)})
                return
            await pour(request, pieces, send)
            await put(send, END)
        finally:
            pieces.close()

    async def _finish(self, answer: StreamResponse | FileResponse) -> None:
        try:
            if type(answer) is StreamResponse:
                # Plain iterators have nothing to close; generators do.
                if (close := getattr(answer.chunks, "aclose", None)) is not None:
                    await close()
            elif (on_sent := answer.on_sent) is not None:
                on_sent()
        except Exception as defect:  # noqa: BLE001  # the answer has left; what its end breaks can only be told
            self._report(defect)


def _is_bodyless(request: Request, answer: Answer) -> bool:
    return request.method == "HEAD" or answer.status in (204, 304)
