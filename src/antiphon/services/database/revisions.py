"""Compares the tables of the program with those of a database, and writes the next migration out of it.

This imports Alembic, so it is imported itself only by those who write a migration.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

from antiphon.core.errors import SetupError
from antiphon.core.log import Silent
from antiphon.services.database.address import sqlite_address
from antiphon.services.database.driver import Terms
from antiphon.services.database.history import History, make_folder
from antiphon.services.database.migrations import Migrations
from antiphon.services.database.schema import Schema

R = TypeVar("R")

_FILE = '''"""{message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = {before}


def upgrade() -> None:
    """{message}."""
{body}
'''


async def make_revision(schema: Schema, message: str) -> Path | None:
    """Write the next revision into the folder of the schema and give its path; None when nothing has changed.

    It is what separates the tables from a new SQLite file in which every migration has run, so it depends on the
    program alone and not on what a developer's database happens to hold. Read what was written: a rename looks like a
    new column and a lost one, and CHECKs are not compared. The file imports Alembic and SQLAlchemy only, so that later
    changes of the program do not change what an old migration does.
    """
    hidden = [str(column) for table in schema.metadata.tables.values() for column in table.c if column.constraints]
    if hidden:
        raise SetupError(
            f"The CHECK of {hidden[0]} stands inside its column, where Alembic does not see it. "
            f"Write it beside the columns, as an argument of the Table."
        )
    make_folder(schema.migrations)
    history = History(schema)
    body = await made_from(schema, lambda connection: _body(context_of(connection), schema))
    if body is None:
        return None
    name = history.next_name(message)
    sentence = message.strip().rstrip(".").capitalize() or "Change the schema"
    path = schema.migrations / f"{name}.py"
    before = f'"{history.head}"' if history.head else "None"
    path.write_text(_FILE.format(message=sentence, name=name, before=before, body=body.rstrip()), encoding="utf-8")
    return path


async def made_from(schema: Schema, look: Callable[[Connection], R]) -> R:
    """Look at a new SQLite file in which every migration of the folder has run. Raises SetupError when one fails."""
    with TemporaryDirectory(prefix="antiphon-") as folder:
        migrations = Migrations(schema, _terms(Path(folder)), wait=timedelta(seconds=10), log=Silent())
        if History(schema).names:
            await migrations.run()
        return await migrations.look(look)


async def differences(migrations: Migrations) -> list[str]:
    """What the tables of the program and of the database do not have in common. CHECKs are not compared."""
    return await migrations.look(
        lambda connection: [
            repr(found) for found in compare_metadata(context_of(connection), migrations.schema.metadata)
        ]
    )


def context_of(connection: Connection) -> MigrationContext:
    """What Alembic compares a database through: names of tables, columns, indexes and constraints, and types."""
    return MigrationContext.configure(connection, opts={"compare_type": True})


def _body(context: MigrationContext, schema: Schema) -> str | None:
    operations = produce_migrations(context, schema.metadata).upgrade_ops
    if operations is None or operations.is_empty():
        return None
    code = render_python_code(operations, render_as_batch=True, render_item=_render, migration_context=context)
    lines = f"    {code}".splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("# ###"))


def _render(kind: str, item: Any, _context: object) -> str | Literal[False]:
    """Our column types are written as what they are made of."""
    return f"sa.{item.impl!r}" if kind == "type" and isinstance(item, TypeDecorator) else False


def _terms(folder: Path) -> Terms:
    return Terms(
        sqlite_address(folder / "made.db"),
        "antiphon",
        pool=1,
        overflow=0,
        wait=10.0,
        connect=10.0,
        statement=60.0,
        life=timedelta(hours=1),
    )
