"""What waits for the end of a transaction: who is to be told of it, and what of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

type Outcome = Literal["committed", "unknown"]
"""How a transaction ended that was not undone: unknown when the answer to its COMMIT never came."""

type WhenEnded[T] = Callable[[Sequence[T], Outcome], None]


class Ends:
    """Items and whom to tell of them, in the order in which they were given."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: list[tuple[WhenEnded[Any], Any]] = []

    def __len__(self) -> int:
        return len(self._items)

    def add[T](self, tell: WhenEnded[T], item: T) -> None:
        """One more item for `tell`, which is called once with all of its items."""
        self._items.append((tell, item))

    def forget(self, first: int = 0) -> None:
        """It was undone: nobody hears of the items from this one on."""
        del self._items[first:]

    def tell(self, outcome: Outcome) -> None:
        """Tell each of them, whoever gave an item first being the first."""
        told: dict[WhenEnded[Any], list[Any]] = {}
        for tell, item in self._items:
            told.setdefault(tell, []).append(item)
        self._items.clear()
        for tell, items in told.items():
            tell(items, outcome)
