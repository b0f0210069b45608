"""Word from process to process through PostgreSQL (LISTEN, NOTIFY): "look now". It may be lost, and it says no more."""

# A transaction does not say NOTIFY itself: its COMMIT would then wait for every other one that does, over the whole
# server. The word goes out afterwards, on the connection that listens. Whoever needs to know looks by itself now and
# then, so that a lost word costs time and nothing else.

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import uniform
from typing import TYPE_CHECKING, Any

from antiphon.core.log import Logger
from antiphon.services.database.codes import code_of
from antiphon.services.database.driver import Terms

if TYPE_CHECKING:
    from antiphon.services.database.postgres import PostgresConnection

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 5.0


class Notices:
    """One channel: `heard` is called for every word on it, one's own too, and after each connecting."""

    def __init__(self, terms: Terms, channel: str, heard: Callable[[], None], log: Logger) -> None:
        self._terms = terms
        self._channel = channel
        self._heard = heard
        self._log = log
        self._connection: PostgresConnection | None = None
        self._listening: asyncio.Task[None] | None = None
        self._ringing: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Begin to listen, now and whenever the server is back."""
        self._listening = asyncio.create_task(self._keep_listening(), name=f"database: listen on {self._channel}")

    def ring(self) -> None:
        """Tell the others, if there is a connection; several words at once are one."""
        if self._connection is not None and (self._ringing is None or self._ringing.done()):
            self._ringing = asyncio.create_task(self._ring(self._connection), name=f"database: ring {self._channel}")

    async def close(self) -> None:
        """Stop listening."""
        tasks = [task for task in (self._ringing, self._listening) if task is not None]
        if self._listening is not None:
            self._listening.cancel()
        # A word that is on its way may go out: somebody may just have left it to the others.
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_listening(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._listen()
                pause = _FIRST_PAUSE
            except Exception as error:  # noqa: BLE001  # it is away for whatever reason; the next try will tell
                self._log.debug("database.deaf", reason=type(error).__name__, code=code_of(error))
            await asyncio.sleep(pause * uniform(0.5, 1.0))  # noqa: S311  # no secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _listen(self) -> None:
        from antiphon.services.database.postgres import listen  # noqa: PLC0415  # SQLite does without asyncpg

        ended = asyncio.Event()
        connection = await listen(self._terms, self._channel, self._heard, ended.set)
        try:
            self._connection = connection
            # Something may have been said while nobody listened.
            self._heard()
            await ended.wait()
        finally:
            self._connection = None
            if self._ringing is not None:
                await asyncio.wait((self._ringing,), timeout=_FIRST_PAUSE)
            await connection.close()

    async def _ring(self, connection: Any) -> None:
        try:
            await connection.execute(f"NOTIFY {self._channel}")
        except Exception as error:  # noqa: BLE001  # see above: a lost word costs time and nothing else
            self._log.debug("database.word_lost", reason=type(error).__name__)
