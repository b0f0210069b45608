"""The way out to a client that is behind: what waits for it, and who waits with it."""

# While the client takes what it is given, frames go straight to the socket and there is no outlet. Once it does not,
# frames wait in an outbox, which says what becomes of each kind when it fills. What waits in the socket's own buffer
# is little beside it: the socket is paused from 64 KiB on.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import final

from antiphon.services.channels.frames import Frame
from antiphon.services.channels.outbox import Fate, Outbox
from antiphon.transports.websocket.settings import WebsocketSettings
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame


@final
class Outlet:
    """What waits for one client.

    `slow` is called when it is more, or waits longer, than it may, and `dropped` for a frame that is not shown at all.
    """

    __slots__ = ("_box", "_dropped", "_now", "_room", "_settings", "_slow", "_socket")

    def __init__(
        self,
        socket: Socket,
        settings: WebsocketSettings,
        now: Callable[[], float],
        slow: Callable[[], None],
        dropped: Callable[[], None],
    ) -> None:
        self._socket = socket
        self._settings = settings
        self._now = now
        self._slow = slow
        self._box = Outbox(settings.queue_bytes, settings.queue_frames)
        self._room: asyncio.Event | None = None
        self._dropped = dropped

    @property
    def bytes(self) -> int:
        """How much waits."""
        return self._box.bytes

    def add(self, frame: Frame) -> bool:
        """Let a frame wait; False for an item that has to be offered again when there is room."""
        fate = self._box.put(frame, self._now())
        if fate is Fate.OVERFLOW:
            self._slow()
        elif fate is Fate.DROPPED:
            self._dropped()
        return fate is not Fate.WAIT

    def flush(self) -> bool:
        """Send what waits, as far as the client takes it; whether nothing waits any more."""
        box, socket = self._box, self._socket
        while not socket.is_paused and (frame := box.take()) is not None:
            socket.send(framed(frame))
        if self._room is not None and not box.half_full:
            self._room.set()
        return not len(box) and not socket.is_paused

    async def room(self) -> None:
        """Wait until the queue is no longer half full, or the client has gone."""
        if self._room is None:
            self._room = asyncio.Event()
        self._room.clear()
        await self._room.wait()

    def check(self, now: float) -> None:
        """Say so when a frame has waited too long. Called once a sweep."""
        if self._box.waited(now) > self._settings.queue_time.total_seconds():
            self._slow()

    def close(self) -> None:
        """Nothing will be sent any more: whoever waits for room goes on, into the void."""
        self._box = Outbox(self._settings.queue_bytes, self._settings.queue_frames)
        if self._room is not None:
            self._room.set()


def framed(frame: Frame) -> bytes:
    """The frame as it is sent, made once for all that it goes to."""
    if frame.framed is None:
        frame.framed = text_frame(frame.data)
    return frame.framed
