"""The databases of Olympus, migrated once for a run and copied for each test.

A folder of tests takes these fixtures into its conftest, and `database_url` then is a copy with the tables in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from antiphon.testing.engines import PostgresDatabases
from olympus.tables import schema
from tests.database_templates import copy_of, migrated_database, migrated_file


@pytest.fixture
def database_template(database_server: PostgresDatabases | None, request: pytest.FixtureRequest) -> Path | str:
    """What `database_url` is a copy of: a file, or the name of a database on the server."""
    return request.getfixturevalue("olympus_sqlite" if database_server is None else "olympus_postgres")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def olympus_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated Olympus that nobody has used."""
    return await migrated_file(tmp_path_factory.mktemp("olympus") / "olympus.db", schema)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def olympus_postgres(postgres: PostgresDatabases) -> AsyncIterator[str]:
    """The name of a migrated database of Olympus that nobody has used."""
    async with migrated_database(postgres, schema) as name:
        yield name


@pytest.fixture
def olympus_url(olympus_sqlite: Path, tmp_path: Path) -> str:
    """A migrated Olympus of the test's own on SQLite, for tests that do not need both engines."""
    return copy_of(olympus_sqlite, tmp_path)
