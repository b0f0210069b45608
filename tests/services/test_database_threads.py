"""The thread of a SQLite connection: it ends in good order, whoever waited for it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from threading import Event
from threading import enumerate as running

import pytest

from antiphon.services.database.sqlite import SqliteConnection


def test_a_thread_outlives_the_loop_that_waited(tmp_path: Path) -> None:
    """What was asked for is done, the file is closed and the lock given back, and the thread is gone without a word."""
    begun, released = Event(), Event()
    before = {*running()}

    async def leave() -> tuple[SqliteConnection, sqlite3.Connection]:
        connection = await SqliteConnection(tmp_path / "a.db", write=True, wait=1.0).opened()
        file = connection._conn  # pyright: ignore[reportPrivateUsage]  # its state is what the test is about

        def hold() -> None:
            begun.set()
            released.wait()

        held = asyncio.ensure_future(connection.run(hold))
        await asyncio.to_thread(begun.wait)
        connection.stop()
        held.cancel()
        return connection, file

    _, file = asyncio.run(leave())
    (thread,) = {*running()} - before
    released.set()
    thread.join(10)

    assert not thread.is_alive()
    with pytest.raises(sqlite3.ProgrammingError):
        file.execute("SELECT 1")
