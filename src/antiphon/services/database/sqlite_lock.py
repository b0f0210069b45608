"""The lock file beside a SQLite database: who holds it may write, over all processes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

POLL_SECONDS = 0.005
"""How often a writer tries for the lock file; nobody in this process stands behind it, the pool has one writer."""


def named_error(words: str, name: str) -> sqlite3.OperationalError:
    """An error as SQLite itself would raise it, under one of its names."""
    error = sqlite3.OperationalError(words)
    error.sqlite_errorname = name
    return error


class WriterLock:
    """The file whose holder may write: `flock` on `<database>-lock`, held from BEGIN to COMMIT and while migrating."""

    __slots__ = ("_descriptor", "_held", "_path")

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(f"{database.name}-lock")
        self._descriptor = -1
        self._held = False

    def take(self) -> bool:
        """Take the lock if nobody has it. Holding it already is no gain."""
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._held:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self._held = True
        return True

    def wait_for(self, seconds: float, stopped: Callable[[], bool] = lambda: False) -> None:
        """Take the lock within this time, in a thread; raises SQLite's own error when it is late or stopped."""
        give_up_at = monotonic() + seconds
        while not self.take():
            if stopped() or monotonic() > give_up_at:
                raise named_error("database is locked", "SQLITE_BUSY")
            sleep(POLL_SECONDS)

    @property
    def held(self) -> bool:
        """Whether this object has the lock."""
        return self._held

    def give_back(self) -> None:
        """Let the next writer have it."""
        if self._held:
            self._held = False
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give it back and forget the file."""
        self._held = False
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
