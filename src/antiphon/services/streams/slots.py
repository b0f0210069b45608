"""The slots of a worker: how many jobs it may hold at once, and who waits for a free one."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """A number of slots. Who takes some waits in line until at least one is free."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.free = count
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def contested(self) -> bool:
        """Whether somebody waits for one."""
        return bool(self._line)

    async def take(self, most: int, *, within: float) -> int:
        """Take up to `most` of what is free; 0 when nothing was for so many seconds."""
        if (not self.free or self._line) and not await self._turn(within):
            return 0
        taken = min(most, self.free)
        self.free -= taken
        if self.free:
            self._call_next()
        return taken

    async def _turn(self, within: float) -> bool:
        """Wait in line; whether one's turn came in time."""
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(within):
                await turn
        except BaseException as error:
            if turn in self._line:
                self._line.remove(turn)
            elif self.free:
                # Its turn came in the same moment: it goes to the next.
                self._call_next()
            if isinstance(error, TimeoutError):
                return False
            raise
        return True

    def give(self, count: int = 1) -> None:
        """Give some back."""
        self.free += count
        if self.free:
            self._call_next()

    def _call_next(self) -> None:
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
