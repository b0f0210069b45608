"""This process as one of a crew: several processes of one application that serve one port and one set of metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


def _nothing() -> bytes:
    return b""


@dataclass
class Member:
    """Given to the application as a value when a crew runs it; an application on its own has none.

    `number` counts from 1 to `of` and stays with the place: who replaces a dead process has its number.
    `descriptors` are the listening sockets that this process accepts on. `count` gives what this process has counted,
    and is filled in by whoever counts; `total` asks for the metrics of the whole crew, as the text to show, and raises
    Unavailable when they cannot be had.
    """

    number: int
    of: int
    descriptors: tuple[int, ...]
    total: Callable[[], Awaitable[bytes]]
    count: Callable[[], bytes] = field(default=_nothing)
