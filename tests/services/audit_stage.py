"""What the tests of the audit log share: databases with its tables, and a look at the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import select, text
from sqlalchemy.sql.dml import UpdateBase

from antiphon import Caller, Database, Schema, audit_metadata, verify_audit
from antiphon.services.audit.chain import PAGE, AuditChain
from antiphon.services.audit.desk import AuditDesk
from antiphon.services.audit.tables import audit_log
from antiphon.testing.app import TestApp
from antiphon.testing.engines import PostgresDatabases
from tests.database_templates import migrated_database, migrated_file

SCHEMA = Schema(audit_metadata, Path(__file__).with_name("audit_migrations"))
ADA = Caller(kind="user", id="0197a000-0000-7000-8000-000000000001", tenant_id="0197a000-0000-7000-8000-00000000000a")
HERA = Caller(kind="user", id="0197a000-0000-7000-8000-000000000003", roles=frozenset({"admin"}))

_GUARDS = {
    "sqlite": [
        f"DROP TRIGGER {table}_guard_{verb}" for table in ("audit_log", "audit_end") for verb in ("update", "delete")
    ],
    "postgresql": [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in ("audit_log", "audit_end")],
}


@pytest.fixture
def database_template(database_server: PostgresDatabases | None, request: pytest.FixtureRequest) -> Path | str:
    """What `database_url` is a copy of: a file, or the name of a database on the server."""
    return request.getfixturevalue("audit_sqlite" if database_server is None else "audit_postgres")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def audit_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a database with an empty audit log."""
    return await migrated_file(tmp_path_factory.mktemp("audit") / "audit.db", SCHEMA)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def audit_postgres(postgres: PostgresDatabases) -> AsyncIterator[str]:
    """The name of a database with an empty audit log."""
    async with migrated_database(postgres, SCHEMA) as name:
        yield name


def database_of(app: TestApp) -> Database:
    """The database of an application."""
    return app.runtime.require(Database, "the test")


async def flush(app: TestApp) -> None:
    """Write what waits to be written."""
    await app.runtime.require(AuditDesk, "the test").flush()


async def rows(app: TestApp) -> list[Any]:
    """The log, in its order."""
    await flush(app)
    async with database_of(app).transaction() as work:
        return [*(await work.execute(select(audit_log).order_by(audit_log.c.seq))).all()]


async def walk(
    app: TestApp, *, after: int = 0, after_hash: str = "", most: int | None = None, page: int = PAGE
) -> AuditChain:
    """Walk the chain."""
    async with database_of(app).transaction() as work:
        return await verify_audit(work, after=after, after_hash=after_hash, most=most, page=page)


async def tamper(app: TestApp, *statements: UpdateBase) -> None:
    """Change the log behind its back, as somebody who owns the database can."""
    async with database_of(app).transaction(write=True) as work:
        for statement in (*map(text, _GUARDS[work.engine]), *statements):
            await work.execute(statement)
