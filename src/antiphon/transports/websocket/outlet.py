"""What waits to be sent to one client: bounded in bytes, frames and time, each kind of frame in its own way."""

# While the client takes what it is given, frames go straight to the socket and nothing is kept here. Once it does not:
#
#   kind        over half full                                        full
#   REPLY       kept                                                  the socket closes, 4008
#   ITEM        the action waits (`room`)                             the action waits
#   EVENT       kept                                                  the socket closes, 4008
#   STATE       one waiting frame for each topic, merged              same
#   EPHEMERAL   only the newest of its kind, topic and sender         dropped and counted
#
# What waits in the socket's own buffer counts as well. A frame that waits too long closes the socket too.

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import final

from antiphon.services.channels.frames import Frame, Kind, presence_frame
from antiphon.transports.websocket.settings import WebsocketSettings
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame


@final
class Outlet:
    """The way out to one client. It exists only while something waits; `slow` is told when the bounds are crossed."""

    __slots__ = ("_bytes", "_frames", "_keyed", "_room", "_settings", "_since", "_slow", "_socket", "dropped")

    def __init__(self, socket: Socket, settings: WebsocketSettings, slow: Callable[[], None]) -> None:
        self._socket = socket
        self._settings = settings
        self._slow = slow
        self._frames: deque[Frame] = deque()
        self._keyed: dict[str, Frame] = {}
        self._bytes = 0
        self._since: float | None = None
        self._room: asyncio.Event | None = None
        self.dropped = 0

    def add(self, frame: Frame) -> None:
        """Let a frame wait, as its kind says."""
        if frame.kind is Kind.STATE and self._merge(frame):
            return
        waiting = self._bytes + self._socket.waiting_bytes
        most_bytes, most_frames = self._settings.queue_bytes, self._settings.queue_frames
        half = waiting * 2 > most_bytes or len(self._frames) * 2 > most_frames
        full = waiting + len(frame.data) > most_bytes or len(self._frames) >= most_frames
        if frame.kind is Kind.EPHEMERAL:
            if full or (half and self._replace(frame)):
                self.dropped += 1
                return
        elif full:
            self._slow()
            return
        self._frames.append(frame)
        self._bytes += len(frame.data)
        if frame.key:
            self._keyed[frame.key] = frame

    def _merge(self, frame: Frame) -> bool:
        """Make one of two changes of a topic, of which the older still waits."""
        waiting = self._keyed.get(frame.key)
        if waiting is None or waiting.change is None or frame.change is None:
            return False
        merged = presence_frame(frame.topic, waiting.change.then(frame.change))
        self._put_in_place(waiting, merged)
        return True

    def _replace(self, frame: Frame) -> bool:
        waiting = self._keyed.get(frame.key)
        if waiting is None:
            return False
        self._put_in_place(waiting, frame)
        return True

    def _put_in_place(self, waiting: Frame, instead: Frame) -> None:
        self._frames[self._frames.index(waiting)] = instead
        self._keyed[instead.key] = instead
        self._bytes += len(instead.data) - len(waiting.data)

    def flush(self) -> bool:
        """Send what waits, as far as the client takes it; whether nothing waits any more."""
        frames, socket = self._frames, self._socket
        self._since = None
        while frames and not socket.is_paused:
            frame = frames.popleft()
            self._bytes -= len(frame.data)
            if frame.key and self._keyed.get(frame.key) is frame:
                del self._keyed[frame.key]
            socket.send(framed(frame))
        if self._room is not None and self.has_room:
            self._room.set()
        return not frames and not socket.is_paused

    @property
    def has_room(self) -> bool:
        """Whether less than half of what may wait waits."""
        waiting = self._bytes + self._socket.waiting_bytes
        return waiting * 2 <= self._settings.queue_bytes and len(self._frames) * 2 <= self._settings.queue_frames

    async def room(self) -> None:
        """Wait until the queue is no longer half full."""
        while not self.has_room:
            if self._room is None:
                self._room = asyncio.Event()
            self._room.clear()
            await self._room.wait()

    def check(self, now: float) -> None:
        """Say so when the client has taken nothing for too long. Called once a sweep."""
        if self._since is None:
            self._since = now
        elif now - self._since > self._settings.queue_time.total_seconds():
            self._slow()

    def close(self) -> None:
        """Nothing will be sent any more: whoever waits for room goes on, into the void."""
        self._frames.clear()
        self._keyed.clear()
        self._bytes = 0
        if self._room is not None:
            self._room.set()


def framed(frame: Frame) -> bytes:
    """The frame as it is sent, made once for all that it goes to."""
    if frame.framed is None:
        frame.framed = text_frame(frame.data)
    return frame.framed
