"""The tables that the tests of the database work on, and a database opened as the application opens it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, MetaData, String, Table, UniqueConstraint

from antiphon.core.info import AppInfo
from antiphon.core.log import Logger, Silent
from antiphon.core.secrets import Secret
from antiphon.services.database import NAMES, Database, DatabaseSettings, Id, Schema, UtcDateTime, database

METADATA = MetaData(naming_convention=NAMES)

people = Table(
    "people",
    METADATA,
    Column("id", Id, primary_key=True),
    Column("email", String(100), nullable=False),
    Column("name", String(20), unique=True, info={"input": "nickname"}),
    Column("age", Integer),
    Column("born_at", UtcDateTime),
    UniqueConstraint("email", info={"input": "email"}),
    CheckConstraint("age >= 0", name="age_positive"),
)
counters = Table(
    "counters", METADATA, Column("id", Integer, primary_key=True), Column("value", Integer, nullable=False)
)
notes = Table(
    "notes",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("person_id", Id, ForeignKey("people.id"), nullable=False),
    Column("place", Integer),
    Column("shelf", Integer),
    UniqueConstraint("place", "shelf"),
)

SCHEMA = Schema(METADATA, Path(__file__).with_name("database_migrations"))

ONLY_SQLITE = pytest.mark.parametrize("database_server", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("database_server", ["postgresql"], indirect=True)

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
}
"""A statement that does not end by itself."""


def engine_of(url: str) -> str:
    """Which engine an address is of."""
    return "sqlite" if url.startswith("sqlite") else "postgresql"


def settings_for(url: str, **changes: Any) -> DatabaseSettings:
    """Settings for this database, changed where a test needs it."""
    return msgspec.structs.replace(DatabaseSettings(url=Secret(url)), **changes)


@asynccontextmanager
async def opened(
    url: str, *, schema: Schema = SCHEMA, log: Logger | None = None, **changes: Any
) -> AsyncGenerator[Database]:
    """A database with the tables above, opened by the service itself."""
    info = AppInfo("stage", "1.0.0", "test", Path("var"))
    async with _managed(database.open(settings_for(url, **changes), info, schema, log or Silent())) as ready:
        yield ready


@asynccontextmanager
async def _managed(opening: AsyncIterator[Database]) -> AsyncGenerator[Database]:
    yield await anext(opening)
    await anext(opening, None)


class Lines(Silent):
    """A log that a test reads."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.text = ""

    def _note(self, event: str, fields: dict[str, object]) -> None:
        self.events.append(event)
        self.text += f"{event} {fields!r}\n"

    def debug(self, event: str, /, **fields: object) -> None:
        self._note(event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._note(event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._note(event, fields)

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        self._note(event, {**fields, "error": error})


SHORT = timedelta(milliseconds=300)
