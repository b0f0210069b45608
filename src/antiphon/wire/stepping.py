"""A coroutine that is begun where nothing can be awaited, and awaited later if it did not end at once."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from typing import Any, final


@final
class Stepped[T]:
    """One coroutine, run as far as it goes without waiting; the rest of it runs where this is awaited, once.

    Both have to happen within one task: what the coroutine waits for wakes the task that it was begun in.
    """

    __slots__ = ("_coroutine", "_ended", "_waiting", "result")

    result: T

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine
        self._ended = False

    def begin(self) -> bool:
        """Run it to its first wait. True when it has ended, with a `result`; raises what it raises."""
        try:
            self._waiting = self._coroutine.send(None)
        except StopIteration as end:
            self.result = end.value
            self._ended = True
        return self._ended

    def __await__(self) -> Generator[Any, Any, T]:
        if self._ended:
            return self.result
        coroutine, waiting = self._coroutine, self._waiting
        try:
            while True:
                try:
                    sent = yield waiting
                except BaseException as error:  # noqa: BLE001  # it belongs to the coroutine, a cancellation as well
                    waiting = coroutine.throw(error)
                else:
                    waiting = coroutine.send(sent)
        except StopIteration as end:
            return end.value

    def close(self) -> None:
        """Give it up where it waits."""
        self._coroutine.close()
