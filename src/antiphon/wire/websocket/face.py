"""What every socket can do, and whom it tells, whichever server it came through."""

from __future__ import annotations

from typing import ClassVar, Protocol


class Socket(Protocol):
    """One open WebSocket. Nothing here waits; everything is called on the loop's thread.

    Frames are those of `antiphon.wire.websocket.frames`, made once and sent to any number of sockets.
    """

    can_ping: ClassVar[bool]
    """Whether a ping can be sent from here; where not, the server beneath looks for silence itself."""

    @property
    def is_open(self) -> bool:
        """Whether messages still come and go; False as soon as either side has begun to close."""
        ...

    @property
    def is_paused(self) -> bool:
        """Whether the client takes less than it is given. `Inbox.on_room` says when that is over."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """The bytes that were sent here and that the client's network has not taken yet."""
        ...

    def send(self, frame: bytes) -> None:
        """Send one whole frame; dropped when the socket is not open. Nothing bounds it: look at `is_paused`."""
        ...

    def ping(self) -> None:
        """Ask for a sign of life."""
        ...

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close, after what was sent before. Nothing is told any more but `on_gone`, with this code."""
        ...

    def abort(self) -> None:
        """End it at once, without a word."""
        ...

    def check(self, now: float) -> None:
        """End a close that takes over ten seconds. Called about once a second with a clock that never goes back."""
        ...


class Inbox(Protocol):
    """Who is told what happens on a socket, at once and in order; nothing here may raise."""

    def on_open(self, socket: Socket) -> None:
        """The handshake is done: the first frame may be sent."""
        ...

    def on_text(self, socket: Socket, data: bytes) -> None:
        """A whole text message came, in UTF-8. It was sent by anyone and is untrusted. It is a sign of life too."""
        ...

    def on_binary(self, socket: Socket) -> None:
        """A whole binary message came; it was dropped."""
        ...

    def on_sign_of_life(self, socket: Socket) -> None:
        """Something came that is no text: a pong, a ping, a part of a message."""
        ...

    def on_room(self, socket: Socket) -> None:
        """The client has taken most of what waited: `is_paused` is over."""
        ...

    def on_gone(self, socket: Socket, code: int) -> None:
        """It is over, told once and last. The code of whoever closed first; 1006 if nobody did."""
        ...
