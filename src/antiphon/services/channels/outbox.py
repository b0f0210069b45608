"""What waits to be sent to one connection: bounded in bytes and frames, and what is dropped first when it fills."""

# One outbox per connection, made when something has to wait for the first time. Nothing here touches a socket.
#
#     kind         over half full                                      full
#     reply        kept                                                refused: close with 4008
#     item         refused: the action waits                           refused: the action waits
#     event        kept                                                refused: close with 4008
#     state        one waiting frame per topic, merged                 the same; beyond twice the size: close
#     ephemeral    only the newest of its kind, topic and sender       dropped and counted
#
# A waiting frame that is replaced keeps its place in the line, so a flood of them never delays itself.

from __future__ import annotations

from collections import deque
from enum import Enum

from antiphon.services.channels.frames import Frame, Kind, presence_frame


class Fate(Enum):
    """What became of a frame."""

    KEPT = "kept"
    DROPPED = "dropped"
    WAIT = "wait"
    OVERFLOW = "overflow"


class _Slot:
    __slots__ = ("at", "frame")

    def __init__(self, frame: Frame, at: float) -> None:
        self.frame = frame
        self.at = at


class Outbox:
    """The queue of one connection. Sizes are those of the frames' JSON; times are seconds of the caller's clock."""

    __slots__ = ("_by_key", "_line", "_most_bytes", "_most_frames", "bytes")

    def __init__(self, most_bytes: int, most_frames: int) -> None:
        self._most_bytes = most_bytes
        self._most_frames = most_frames
        self._line: deque[_Slot] = deque()
        self._by_key: dict[str, _Slot] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._line)

    @property
    def half_full(self) -> bool:
        """Whether a streaming action has to wait."""
        return self.bytes * 2 > self._most_bytes or len(self._line) * 2 > self._most_frames

    def put(self, frame: Frame, at: float) -> Fate:
        """Add a frame. After OVERFLOW the connection is too slow and has to be closed; the frame is not kept."""
        kind = frame.kind
        if kind >= Kind.STATE and self.half_full and (waiting := self._by_key.get(frame.key)) is not None:
            self._replace(waiting, frame)
            return Fate.KEPT
        if kind is Kind.ITEM and self.half_full:
            return Fate.WAIT
        full = self.bytes + len(frame.data) > self._most_bytes or len(self._line) >= self._most_frames
        if full:
            if kind is Kind.EPHEMERAL:
                return Fate.DROPPED
            if kind is not Kind.STATE or self.bytes + len(frame.data) > 2 * self._most_bytes:
                return Fate.OVERFLOW
        slot = _Slot(frame, at)
        self._line.append(slot)
        self.bytes += len(frame.data)
        if frame.key:
            self._by_key[frame.key] = slot
        return Fate.KEPT

    def take(self) -> Frame | None:
        """The next frame to send, or None."""
        if not self._line:
            return None
        slot = self._line.popleft()
        frame = slot.frame
        self.bytes -= len(frame.data)
        if frame.key and self._by_key.get(frame.key) is slot:
            del self._by_key[frame.key]
        return frame

    def waited(self, now: float) -> float:
        """How long the oldest frame has been waiting, in seconds."""
        return now - self._line[0].at if self._line else 0.0

    def _replace(self, waiting: _Slot, frame: Frame) -> None:
        old = waiting.frame
        if old.change is not None and frame.change is not None:
            frame = presence_frame(frame.topic, old.change.then(frame.change))
        waiting.frame = frame
        self.bytes += len(frame.data) - len(old.data)
