"""What the two engines promise to the rest: how a transaction opens, and how long a statement may run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from math import inf
from time import monotonic
from typing import NamedTuple, Protocol, cast

from sqlalchemy import Connection as SyncConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from antiphon.services.database.address import Address

GRACE = 0.5
"""Seconds between the server's time limit and the driver's: a live server answers first, a silent one is given up."""


class Driver(Protocol):
    """One connection, beneath SQLAlchemy. A transaction opens with all its terms in one step, on both engines."""

    def begin(self, *, write: bool, limits: Limits, also: str = "") -> None:
        """Say how the next transaction opens, and which statement opens it too; it opens with its first statement."""
        ...

    def allow(self, limits: Limits) -> str | None:
        """Give the next statement this long. Where the server must be told first, the statement that tells it."""
        ...

    def patience(self, limits: Limits) -> float:
        """How long to wait for the statement's end before the database is taken for silent."""
        ...


@dataclass(slots=True)
class Engines:
    """Where connections for reading and writing come from: two pools on SQLite, the same one twice on PostgreSQL.

    `connecting` is how many connections are being opened now, where that may take long.
    """

    reading: AsyncEngine
    writing: AsyncEngine
    suspected_at: float = 0.0
    connecting: int = 0

    def suspect(self) -> None:
        """A server fell silent: connections made before now are replaced rather than waited for."""
        self.suspected_at = monotonic()

    async def close(self) -> None:
        """Close every idle connection."""
        await self.reading.dispose()
        await self.writing.dispose()


class Limits(NamedTuple):
    """How long a statement may run, in seconds: by the server's clock, and by the driver's, which is a little later."""

    server: float
    driver: float

    @classmethod
    def of(cls, statement_seconds: float, seconds_left: float = inf) -> Limits:
        """The limits under the setting and the time the call has left.

        The driver ends a little before the call does, so that a silent database is told apart from a slow action.
        """
        driver = min(statement_seconds + GRACE, seconds_left * 0.95)
        return cls(max(driver - GRACE, driver / 2), driver)


@dataclass(frozen=True, slots=True)
class Terms:
    """What an engine is built from: the settings that concern it, in seconds."""

    address: Address
    application: str
    pool: int
    overflow: int
    wait: float
    connect: float
    statement: float
    life: timedelta
    row_security: bool = False


def driver_of(connection: AsyncConnection) -> Driver:
    """The driver's end of a connection in use."""
    in_use = cast("SyncConnection", connection.sync_connection)
    return cast("Driver", in_use.connection.driver_connection)
