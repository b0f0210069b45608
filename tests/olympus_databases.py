"""The databases of Olympus, migrated once for a run and copied for each test: migrations have tests of their own.

A folder of tests takes these fixtures into its conftest, and `database_url` then is a copy with the tables in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.core.secrets import Secret
from antiphon.services.database import DatabaseSettings, migrations_of
from antiphon.testing.engines import PostgresDatabases
from antiphon.testing.engines.postgres import database_name
from olympus.tables import schema


@pytest.fixture
def database_template(database_server: PostgresDatabases | None, request: pytest.FixtureRequest) -> Path | str:
    """What `database_url` is a copy of: a file, or the name of a database on the server."""
    return request.getfixturevalue("olympus_sqlite" if database_server is None else "olympus_postgres")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def olympus_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated Olympus that nobody has used."""
    path = tmp_path_factory.mktemp("olympus") / "olympus.db"
    await _migrate(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        # One file is copied, so nothing may be left in the log beside it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def olympus_postgres(postgres: PostgresDatabases) -> AsyncIterator[str]:
    """The name of a migrated database of Olympus that nobody has used."""
    url = await postgres.create_database()
    await _migrate(url)
    yield database_name(url)
    await postgres.drop_database(url)


async def _migrate(url: str) -> None:
    settings = msgspec.structs.replace(DatabaseSettings(url=Secret(url)), connect_time=timedelta(seconds=10))
    await migrations_of(settings, AppInfo("olympus", "", "test", Path()), schema, Silent()).run()
