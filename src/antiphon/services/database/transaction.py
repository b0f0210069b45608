"""One open transaction: its connection, the time each step may take, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from antiphon.services.database.driver import Driver, Limits
from antiphon.services.database.errors import SilentServer
from antiphon.services.database.row_security import SAY, opening

R = TypeVar("R")

UNDO_SECONDS = 1.0
"""How long undoing may take before the connection is given up instead; the server then undoes it by itself."""


class Transaction:
    """It opens with its first statement. `used` tells whether a statement has succeeded in it."""

    __slots__ = ("_connection", "_driver", "_wall", "used")

    def __init__(
        self, connection: AsyncConnection, driver: Driver, limits: Limits, *, write: bool, wall: str | None = None
    ) -> None:
        self._connection = connection
        self._driver = driver
        self._wall = wall
        self.used = False
        driver.begin(write=write, limits=limits, also="" if wall is None else opening(wall))

    @property
    def lost(self) -> bool:
        """Whether the connection is gone, and everything in the transaction with it."""
        return self._connection.invalidated or self._connection.closed

    async def run(self, job: Callable[[AsyncConnection], Awaitable[R]], limits: Limits, wall: str | None = None) -> R:
        """Run a statement within these limits, and behind this wall (see `row_security`) unless it is None."""
        first = self._driver.allow(limits)
        try:
            async with asyncio.timeout(self._driver.patience(limits)):
                if first is not None:
                    await self._connection.exec_driver_sql(first)
                if wall is not None and wall != self._wall:
                    await self._connection.exec_driver_sql(SAY, (wall,))
                    self._wall = wall
                result = await job(self._connection)
        except TimeoutError:
            raise SilentServer("no answer within the driver's limit") from None
        self.used = True
        return result

    def forget_wall(self) -> None:
        """Say it again with the next statement: what was said may have been rolled back."""
        self._wall = None

    async def commit(self, limits: Limits) -> None:
        """Commit and give the connection back. After an error call `undo`."""
        self._driver.allow(limits)
        try:
            async with asyncio.timeout(self._driver.patience(limits)):
                await self._connection.commit()
        except TimeoutError:
            raise SilentServer("no answer to COMMIT within the driver's limit") from None
        await self._connection.close()

    async def undo(self) -> None:
        """Roll back and give the connection back. It never raises: a connection that cannot is thrown away."""
        try:
            async with asyncio.timeout(UNDO_SECONDS):
                await self._connection.close()
        except (SQLAlchemyError, OSError):
            with suppress(SQLAlchemyError, OSError):
                await self._connection.invalidate()
                await self._connection.close()
