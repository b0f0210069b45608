"""Calls an application's callback so that a mistake in it is reported and harms nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def tell(callback: Callable[[T], None] | None, value: T) -> None:
    """Call it, if there is one. What it raises goes to the loop's handler of exceptions, as of any other callback."""
    if callback is None:
        return
    try:
        callback(value)
    except Exception as error:  # noqa: BLE001  # anything at all may be wrong with a callback
        context = {"message": "A callback of the client raised an exception.", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
