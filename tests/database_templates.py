"""Databases that are migrated once for a run and copied for each test: migrations have tests of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from shutil import copyfile

import msgspec

from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.core.secrets import Secret
from antiphon.services.database import DatabaseSettings, Schema, migrations_of
from antiphon.testing.engines import PostgresDatabases
from antiphon.testing.engines.postgres import database_name


async def migrated_file(path: Path, schema: Schema) -> Path:
    """The file of a migrated SQLite that nobody has used."""
    await migrate(f"sqlite:///{path}", schema)
    with closing(sqlite3.connect(path)) as connection:
        # One file is copied, so nothing may be left in the log beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@asynccontextmanager
async def migrated_database(server: PostgresDatabases, schema: Schema) -> AsyncGenerator[str]:
    """The name of a migrated database of PostgreSQL that nobody has used; it is dropped with the block."""
    url = await server.create_database()
    await migrate(url, schema)
    yield database_name(url)
    await server.drop_database(url)


async def migrate(url: str, schema: Schema, *, row_security: bool = False) -> None:
    """Run every migration, however busy the machine is."""
    settings = DatabaseSettings(url=Secret(url), row_security=row_security)
    patient = msgspec.structs.replace(settings, connect_time=timedelta(seconds=10))
    await migrations_of(patient, AppInfo("templates", "", "test", Path()), schema, Silent()).run()


def copy_of(template: Path, folder: Path) -> str:
    """The URL of a copy of a file, in this folder."""
    copyfile(template, folder / "test.db")
    return f"sqlite:///{folder / 'test.db'}"
