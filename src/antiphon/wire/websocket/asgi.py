"""A socket over ASGI's websocket scope, for servers that are not ours: theirs are the frames, ours is what they say."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, ClassVar, Final, NamedTuple, final

from antiphon.wire.asgi_request import AsgiRequest
from antiphon.wire.lifespan import Event, Receive, Send
from antiphon.wire.request import Request
from antiphon.wire.response import Response
from antiphon.wire.websocket.closing import BAD_TEXT, NO_CLOSE, NO_CODE, NORMAL, TOO_BIG
from antiphon.wire.websocket.connection import CLOSE_SECONDS
from antiphon.wire.websocket.face import Inbox
from antiphon.wire.websocket.frames import payload_at
from antiphon.wire.websocket.handshake import choose_subprotocol

# An ASGI server has done the handshake and does frames, pings and the closing handshake. Reading needs one task, which
# it gives; writing is awaited, so what was sent waits in a queue, and a task that lives only as long as the queue
# takes it out.
#
#   state     leads on                           what is put                       to
#   OPEN      `close(code)`                      websocket.close, behind the rest  CLOSING
#             a message too big, or no UTF-8     websocket.close                   CLOSING
#             websocket.disconnect               -                                 GONE
#             a put that fails                   nothing more                      OPEN, the disconnect follows
#   CLOSING   websocket.disconnect               -                                 GONE
#             ten seconds (`check`)              -                                 GONE

_OPEN, _CLOSING, _GONE = range(3)
_FULL_BYTES: Final = 64 * 1024
_ROOM_BYTES: Final = 16 * 1024


class Welcome(NamedTuple):
    """The answer to a socket that may open."""

    inbox: Inbox
    limit_bytes: int
    subprotocols: Sequence[str] = ()
    headers: Sequence[tuple[bytes, bytes]] = ()


type Door = Callable[[Request], Welcome | Response | Awaitable[Welcome | Response]]
"""What decides whether a socket opens. It never raises for a fault of the caller."""


async def serve_socket(scope: dict[str, Any], receive: Receive, send: Send, door: Door) -> None:
    """Ask the door, then refuse with its answer, or accept and tell its inbox until the socket is gone."""
    await receive()
    schemes = {"ws": "http", "wss": "https"}
    request = AsgiRequest({**scope, "method": "GET", "scheme": schemes[scope.get("scheme", "ws")]}, receive)
    answer = door(request)
    if isawaitable(answer):
        answer = await answer
    if isinstance(answer, Response):
        await _refuse(scope, send, answer)
        return
    subprotocol = choose_subprotocol(scope.get("subprotocols", ()), answer.subprotocols)
    await AsgiSocket(answer.inbox, answer.limit_bytes, receive, send).serve(subprotocol, answer.headers)


async def _refuse(scope: dict[str, Any], send: Send, answer: Response) -> None:
    if "websocket.http.response" not in (scope.get("extensions") or ()):
        # Such a server knows one refusal only, and makes it a 403.
        await send({"type": "websocket.close", "code": NORMAL})
        return
    headers = [*answer.items(), (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "websocket.http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": answer.body})


@final
class AsgiSocket:
    """One WebSocket of an ASGI server. `limit_bytes` bounds a message, which that server has read by then."""

    __slots__ = (
        "_code",
        "_deadline",
        "_is_late",
        "_limit_bytes",
        "_out",
        "_receive",
        "_send",
        "_state",
        "_task",
        "_writer",
        "inbox",
        "is_paused",
        "waiting_bytes",
    )

    can_ping: ClassVar[bool] = False

    def __init__(self, inbox: Inbox, limit_bytes: int, receive: Receive, send: Send) -> None:
        self.inbox = inbox
        self.is_paused = False
        self.waiting_bytes = 0
        self._limit_bytes = limit_bytes
        self._receive = receive
        self._send = send
        self._out: deque[tuple[Event, int]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._state = _GONE
        self._code = NO_CLOSE
        self._deadline = 0.0
        self._is_late = False

    async def serve(self, subprotocol: str | None, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Accept, and tell the inbox what comes until the socket is gone."""
        self._task = asyncio.current_task()
        try:
            await self._send({"type": "websocket.accept", "subprotocol": subprotocol, "headers": [*headers]})
        except OSError:
            return
        self._state = _OPEN
        self.inbox.on_open(self)
        try:
            await self._listen()
        except asyncio.CancelledError:
            # The task is the server's: only our own cancellation may end here.
            if not self._is_late or self._task is None or self._task.uncancel():
                raise
        finally:
            self._state = _GONE
            self._out.clear()
            self.waiting_bytes = 0
            self.is_paused = False
            if self._writer is not None:
                self._writer.cancel()
            self.inbox.on_gone(self, self._code)

    async def _listen(self) -> None:
        while (event := await self._receive())["type"] == "websocket.receive":
            if self._state != _OPEN:
                continue
            text = event.get("text")
            if text is None:
                if len(event["bytes"]) > self._limit_bytes:
                    self._refuse_size()
                else:
                    self.inbox.on_binary(self)
            else:
                self._take_text(text)
        if self._state == _OPEN:
            self._code = event.get("code") or NO_CODE

    def _take_text(self, text: str) -> None:
        # A character has at most four bytes and at least one, so nothing huge is encoded only to be measured.
        if len(text) > self._limit_bytes:
            self._refuse_size()
            return
        try:
            data = text.encode()
        except UnicodeEncodeError:
            self.close(BAD_TEXT, "A text is not UTF-8.")
            return
        if len(data) > self._limit_bytes:
            self._refuse_size()
        else:
            self.inbox.on_text(self, data)

    def _refuse_size(self) -> None:
        self.close(TOO_BIG, f"A message is larger than {self._limit_bytes} bytes.")

    # what the layer above asks

    @property
    def is_open(self) -> bool:
        """Whether messages still come and go."""
        return self._state == _OPEN

    def send(self, frame: bytes) -> None:
        """Send one whole frame of text; dropped when the socket is not open."""
        if self._state == _OPEN:
            self._put({"type": "websocket.send", "text": frame[payload_at(frame) :].decode()}, len(frame))

    def ping(self) -> None:
        """Nothing: the server beneath sends its own pings, and tells of a client that is silent."""

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close. Nothing is told any more but `on_gone`, with this code."""
        if self._state == _OPEN:
            self._state = _CLOSING
            self._code = code
            self._put({"type": "websocket.close", "code": NORMAL if code == NO_CODE else code, "reason": reason}, 0)

    def abort(self) -> None:
        """End it at once, without a word: the server closes the connection of an application that returns."""
        if self._state != _GONE and not self._is_late and self._task is not None:
            self._is_late = True
            self._task.cancel()

    def check(self, now: float) -> None:
        """End a close that takes too long."""
        if self._state == _CLOSING:
            if not self._deadline:
                self._deadline = now + CLOSE_SECONDS
            elif now >= self._deadline:
                self.abort()

    # writing

    def _put(self, event: Event, size: int) -> None:
        self._out.append((event, size))
        self.waiting_bytes += size
        if self.waiting_bytes > _FULL_BYTES:
            self.is_paused = True
        if self._writer is None:
            self._writer = asyncio.get_running_loop().create_task(self._write_out())

    async def _write_out(self) -> None:
        try:
            while self._out:
                event, size = self._out.popleft()
                await self._send(event)
                self.waiting_bytes -= size
                if self.is_paused and self.waiting_bytes <= _ROOM_BYTES:
                    self.is_paused = False
                    if self._state == _OPEN:
                        self.inbox.on_room(self)
        except (OSError, RuntimeError):
            # How servers say that the client has gone, or that they have closed it themselves; why is said by the
            # disconnect that follows.
            self._out.clear()
            self.waiting_bytes = 0
        finally:
            self._writer = None
