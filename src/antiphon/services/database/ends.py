"""What waits for the end of a transaction: who is to be told of it, and what of."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from antiphon.core.log import Logger

type Outcome = Literal["committed", "unknown"]
"""How a transaction ended that was not undone: unknown when the answer to its COMMIT never came."""

type WhenEnded[T] = Callable[[Sequence[T], Outcome], Awaitable[None]]


class Ends:
    """Items and whom to tell of them, in the order in which they were given."""

    __slots__ = ("_log", "_told")

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._told: list[tuple[WhenEnded[Any], Any]] = []

    def __len__(self) -> int:
        return len(self._told)

    def add[T](self, tell: WhenEnded[T], item: T) -> None:
        """One more item for `tell`, which is called once with all of its items."""
        self._told.append((tell, item))

    def forget(self, first: int = 0) -> None:
        """It was undone: nobody hears of the items from this one on."""
        del self._told[first:]

    async def tell(self, outcome: Outcome) -> None:
        """Tell each of them, in the order in which they first gave an item. A failure is logged and changes nothing."""
        for tell in dict.fromkeys(tell for tell, _ in self._told):
            try:
                await tell([item for other, item in self._told if other == tell], outcome)
            except Exception as error:  # noqa: BLE001  # it has ended so, whatever happens to those who hear of it
                self._log.error("database.callback_failed", error=error)
