"""What passes between a connection and its transport: answers joined into one write, and who holds back whom."""

from __future__ import annotations

import asyncio
from typing import final


@final
class Flow:
    """The bytes of one connection, and how much of them each side bears.

    `out` is what leaves with the next write. `paused` says that the client takes less than it is given.
    """

    __slots__ = ("_holding", "_room", "_stalled_at", "_taken_bytes", "_written_bytes", "out", "paused", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.out: list[bytes] = []
        self.paused = False
        self._holding = False
        self._room: asyncio.Future[None] | None = None
        self._written_bytes = 0
        # Of no look yet: the first one finds out what was taken, and judges nothing.
        self._taken_bytes = -1
        self._stalled_at = 0.0

    # Towards the client

    def flush(self) -> None:
        """Write what waits, in one piece."""
        out = self.out
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        self._written_bytes += len(data)
        self.transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was written, or is gone."""
        while self.paused and not self.transport.is_closing():
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None

    def wake(self) -> bool:
        """Go on with what waits for room; whether anything does."""
        if self._room is None:
            return False
        if not self._room.done():
            self._room.set_result(None)
        return True

    @property
    def is_empty(self) -> bool:
        """Whether all that was written has been taken."""
        return not self.transport.get_write_buffer_size()

    def is_stalled(self, now: float, seconds: float) -> bool:
        """Whether the client has taken nothing for so long, although something waits for it. Asked once a sweep."""
        waiting = self.transport.get_write_buffer_size()
        taken = self._written_bytes - waiting
        if not waiting or taken != self._taken_bytes:
            self._taken_bytes, self._stalled_at = taken, now
            return False
        return now - self._stalled_at > seconds

    # From the client

    def hold_back(self) -> None:
        """Read nothing more for now."""
        if not self._holding and not self.transport.is_closing():
            self._holding = True
            self.transport.pause_reading()

    def let_go(self) -> None:
        """Read on."""
        if self._holding and not self.transport.is_closing():
            self._holding = False
            self.transport.resume_reading()

    # The end

    def end(self) -> None:
        """Close the connection once everything written has been taken."""
        self.transport.close()

    def end_ours(self) -> None:
        """Say that nothing more is written; what the client still sends can be read and thrown away."""
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
        self.let_go()
