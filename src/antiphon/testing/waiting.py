"""Waits in tests for something to become true, and says in words what did not."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from time import monotonic

_LONGEST_PAUSE = 0.05


async def wait_until(
    condition: Callable[[], object | Awaitable[object]], what_never_happened: str, *, within: float = 5.0
) -> None:
    """Return as soon as `condition()` (plain or async) is true; AssertionError with the text after `within` seconds.

    `within` bounds a failure and measures nothing: make it generous.
    """
    deadline = monotonic() + within
    pause = 0.001
    while True:
        result = condition()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return
        if monotonic() > deadline:
            raise AssertionError(f"{what_never_happened} (waited {within:g} s)")
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
