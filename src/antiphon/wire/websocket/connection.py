"""A socket on our own server: it takes a transport over after the 101 and lives on it without a task or a timer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Final, cast, final

from antiphon.wire.websocket.closing import NO_CLOSE
from antiphon.wire.websocket.events import Binary, Close, Event, Fault, Ping
from antiphon.wire.websocket.face import Inbox
from antiphon.wire.websocket.frames import close_frame, ping_frame, pong_frame
from antiphon.wire.websocket.reading import FrameReader

if TYPE_CHECKING:
    from antiphon.wire.websocket.deflate import Deflated

# The life of a socket (RFC 6455 §7):
#
#   state     leads on                                         what is sent         to
#   OPEN      `close(code)`                                    close                CLOSING
#             the client's close frame                         the same code back   LEAVING, and the transport closes
#             a fault of the client                            its code             LEAVING, half closed
#   CLOSING   the client's close frame                         -                    LEAVING, and the transport closes
#             a fault                                          -                    LEAVING, half closed
#   LEAVING   the client closes                                -                    GONE
#   any       the client ends its half without a word          -                    LEAVING, and the transport closes
#             the transport is lost                            -                    GONE
#   CLOSING and LEAVING end after ten seconds at the latest: `check` aborts the transport.
#
# After a fault bytes may still be on their way. Closing with bytes unread resets the connection, and the reset
# overtakes the close frame. So only this half is closed, and what comes is thrown away until the client closes too.
# Where there are no halves (TLS) the whole is closed.
#
# Pongs wait for nobody. But a client that sends pings and reads nothing would fill the memory with pongs: while the
# transport is full none is made, for which RFC 6455 §5.5.3 gives leave.

_OPEN, _CLOSING, _LEAVING, _GONE = range(4)
CLOSE_SECONDS: Final = 10.0
_PING: Final = ping_frame()


@final
class SocketProtocol(asyncio.Protocol):
    """The server's end of one WebSocket. `limit_bytes` bounds a message; `deflated` is what the handshake agreed on."""

    __slots__ = ("_code", "_deadline", "_deflated", "_reader", "_state", "_transport", "inbox", "is_paused")

    can_ping: ClassVar[bool] = True

    def __init__(self, inbox: Inbox, limit_bytes: int, deflated: Deflated | None = None) -> None:
        self.inbox = inbox
        self.is_paused = False
        self._deflated = deflated
        self._reader = FrameReader(limit_bytes) if deflated is None else deflated.reader(limit_bytes)
        self._transport = cast("asyncio.Transport", None)
        self._state = _GONE
        self._code = NO_CLOSE
        # Of a close under way; known once `check` has seen it, so that closing asks no clock.
        self._deadline = 0.0

    # what the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: the 101 has been written."""
        self._transport = cast("asyncio.Transport", transport)
        self._state = _OPEN
        self.inbox.on_open(self)

    def data_received(self, data: bytes) -> None:
        """Tell the inbox what these bytes say."""
        if self._state >= _LEAVING:
            return
        silent = True
        for event in self._reader.feed(data):
            if type(event) is bytes:
                # The inbox may have closed meanwhile; what the client sent before it knew is of no interest.
                if self._state == _OPEN:
                    silent = False
                    self.inbox.on_text(self, event)
            else:
                self._take(event)
        if silent and self._state == _OPEN:
            self.inbox.on_sign_of_life(self)

    def eof_received(self) -> None:
        """The client sends no more, so nobody is there: the transport closes when it has sent what waits."""
        self._state = _LEAVING

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._state = _GONE
        self.is_paused = False
        self.inbox.on_gone(self, self._code)

    def pause_writing(self) -> None:
        """The client takes less than it is given."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The client has taken most of it."""
        self.is_paused = False
        if self._state == _OPEN:
            self.inbox.on_room(self)

    # what the layer above asks

    @property
    def is_open(self) -> bool:
        """Whether messages still come and go."""
        return self._state == _OPEN

    @property
    def waiting_bytes(self) -> int:
        """The bytes that the kernel has not taken yet."""
        return self._transport.get_write_buffer_size() if self._state != _GONE else 0

    def send(self, frame: bytes) -> None:
        """Send one whole frame; dropped when the socket is not open."""
        if self._state == _OPEN:
            self._transport.write(frame if self._deflated is None else self._deflated.pack(frame))

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self._state == _OPEN:
            self._transport.write(_PING)

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close. Nothing is told any more but `on_gone`, with this code."""
        if self._state == _OPEN:
            frame = close_frame(code, reason)
            self._state = _CLOSING
            self._code = code
            self._transport.write(frame)

    def abort(self) -> None:
        """End it at once, without a word."""
        if self._state != _GONE:
            self._transport.abort()

    def check(self, now: float) -> None:
        """End a close that takes too long."""
        if _OPEN < self._state < _GONE:
            if not self._deadline:
                self._deadline = now + CLOSE_SECONDS
            elif now >= self._deadline:
                self._transport.abort()

    # events other than texts

    def _take(self, event: Event) -> None:
        kind = type(event)
        if kind is Close:
            self._leave(cast("Close", event).code, "")
            self._transport.close()
        elif kind is Fault:
            fault = cast("Fault", event)
            self._leave(fault.code, fault.reason)
            self._finish_sending()
        elif self._state != _OPEN:
            return
        elif kind is Ping:
            if not self.is_paused:
                self._transport.write(pong_frame(cast("Ping", event).data))
        elif kind is Binary:
            self.inbox.on_binary(self)

    def _leave(self, code: int, reason: str) -> None:
        if self._state == _OPEN:
            self._code = code
            self._transport.write(close_frame(code, reason))
        self._state = _LEAVING

    def _finish_sending(self) -> None:
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
