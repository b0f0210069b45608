"""The keys that every step of a job is given, in one order, so that the scripts can count on it."""

from __future__ import annotations

from typing import NamedTuple


class QueueKeys(NamedTuple):
    """KEYS[1] to KEYS[7] of every script: all of one queue, all in one slot. Hashes of jobs come after them."""

    meta: str
    due: str
    lanes: str
    dead: str
    high: str
    normal: str
    low: str

    def stream(self, priority: int) -> str:
        """The ready stream of a priority, counted from 1."""
        return self[3 + priority]
