"""How an answer goes out through ASGI: its head, its chunks, and what happens when nobody wants them any longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any

from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.lifespan import Event, Send
from antiphon.wire.request import ClientLeft
from antiphon.wire.response import Headers, Response

START = "http.response.start"
BODY = "http.response.body"
END: Event = {"type": BODY, "body": b""}

LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
_CHUNKS_A_TURN = 16

# The rest of a body that nobody read
#
# A refused caller's body may still be on its way. uvicorn reads it to its end, dropped byte by byte and unbounded,
# before the next request; other servers may do otherwise, ASGI does not say. And a client that announced its body
# with `Expect: 100-continue` and was refused sends none: its next request would be taken for that body. So the
# answer carries "connection: close", and the server closes after it (RFC 9112 §9.6).
#
# Closing at once would lose the answer: TCP resets a connection that is closed with bytes unread, and the reset
# overtakes what the client has not taken yet. So all of the answer is sent with its length, but its end is told
# to the server only after the rest was thrown away, for at most 2 s and 1 MiB (the lingering close of the same
# section). A client that was held back by its own Expect has nothing on its way and is closed at once.


async def put(send: Send, event: Event) -> None:
    """Send one event. Raises ClientLeft when the server says by OSError that nobody is there (ASGI 2.4)."""
    try:
        await send(event)
    except OSError:
        raise ClientLeft from None


async def put_head(request: AsgiRequest, status: int, headers: Headers, send: Send) -> None:
    """Send status and headers, with "connection: close" if a part of the request will stay unread."""
    if request.is_unread():
        headers = _closing(request, headers)
    await put(send, {"type": START, "status": status, "headers": headers})


async def put_plain(request: AsgiRequest, answer: Response, send: Send) -> None:
    """Send a whole answer, in a case where the short way of the adapter does not do."""
    headers, body = answer.items(), answer.body
    if answer.status in (204, 304):
        body = b""
    else:
        headers = [*headers, (b"content-length", b"%d" % len(body))]
    if request.method == "HEAD":
        body = b""
    lingers = request.is_unread() and not request.is_held_back()
    await put_head(request, answer.status, headers, send)
    if not lingers:
        await put(send, {"type": BODY, "body": body})
        return
    await put(send, {"type": BODY, "body": body, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            await request.drop_rest(LINGER_BYTES)
    except TimeoutError:
        pass
    await put(send, END)


async def pour(request: AsgiRequest, chunks: AsyncIterator[bytes], send: Send) -> None:
    """Send each chunk as it comes. Raises ClientLeft, with the producer cancelled, as soon as the client goes.

    A slow client holds back its own stream and nothing else: `send` waits until the server has room again.
    """
    sent = 0
    with _UntilLeft(request):
        async for chunk in chunks:
            # Only seen here when the producer caught its cancellation and went on.
            if request.left:
                break
            if not chunk:
                continue
            await put(send, {"type": BODY, "body": chunk, "more_body": True})
            sent += 1
            if not sent % _CHUNKS_A_TURN:
                # Neither a producer that never waits nor a server with room must keep the loop to themselves: the
                # news that the client has gone could not arrive.
                await asyncio.sleep(0)
    if request.left:
        raise ClientLeft


class _UntilLeft:
    """Cancels what the block waits for when the client leaves, and takes that cancellation back at its end.

    The same bookkeeping as asyncio.timeout: a cancellation from outside goes on, also when both come together.
    """

    __slots__ = ("_cancelled", "_inside", "_request", "_task")

    def __init__(self, request: AsgiRequest) -> None:
        self._request = request
        self._inside = False
        self._cancelled = False
        self._task: asyncio.Task[Any] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._inside = True
        self._request.watch().add_done_callback(self._client_left)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._inside = False
        if not self._cancelled or self._task is None:
            return False
        return self._task.uncancel() == 0 and kind is asyncio.CancelledError

    def _client_left(self, watch: asyncio.Task[None]) -> None:
        # Called a turn after the watch ended; the block may be over by then, and its task about other things.
        if self._inside and self._task is not None and not watch.cancelled():
            self._cancelled = True
            self._task.cancel()


def _closing(request: AsgiRequest, headers: Headers) -> Headers:
    # HTTP/2 and 3 frame each request on its own and forbid the header (RFC 9113 §8.2.2).
    if request.version[0] != "1" or any(name == b"connection" for name, _ in headers):
        return headers
    return [*headers, (b"connection", b"close")]
