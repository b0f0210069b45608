"""What the database has to say before a deployment: missing indexes, migrations that have not run, and drift."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from sqlalchemy import Index, Table, UniqueConstraint

from antiphon.core.deploy import Finding, Level, Review
from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.log import Silent
from antiphon.services.database.drift import drift, unwritten
from antiphon.services.database.driver import Terms
from antiphon.services.database.history import History
from antiphon.services.database.migrations import Migrations
from antiphon.services.database.schema import Schema
from antiphon.services.database.service import migrations_of, terms_of
from antiphon.services.database.settings import DatabaseSettings

MIGRATIONS = "migrations"
TENANT = "tenant_id"


async def check_schema(schema: Schema, review: Review) -> AsyncIterator[Finding]:
    """What is missing in the tables, and what separates the database from them. Nothing is changed or made."""
    for table in schema.metadata.sorted_tables:
        for columns, why in _unindexed(table):
            names = ", ".join(columns)
            yield Finding(
                "warning",
                f"{table.name}.{'+'.join(columns)}",
                f"No index begins with {names}, {why}. Add one, such as Index(None, {_quoted(columns)}), and migrate.",
            )
        if _is_half_fenced(table):
            yield Finding(
                "warning",
                f"{table.name}.{TENANT}",
                "May be empty, and so the table belongs to no tenant: no call is kept within its own. Say "
                "nullable=False, and migrate.",
            )
    try:
        history = History(schema)
    except SetupError as error:
        yield _found("danger", str(error))
        return
    if not history.names and schema.metadata.tables:
        yield _found("danger", "There are tables and no migration. Write the first one with `migrate --make`.")
        return
    async for finding in _check_database(schema, history, review):
        yield finding


async def _check_database(schema: Schema, history: History, review: Review) -> AsyncIterator[Finding]:
    settings = review.find(DatabaseSettings)
    if settings is None:
        yield _found("unknown", "The settings of the database cannot be read, so it was not asked what has run in it.")
        return
    terms = terms_of(settings, review.info)
    shown = terms.address.shown
    migrations = migrations_of(settings, review.info, schema, Silent())
    try:
        pending = history.pending(await _current(migrations, terms))
        differing = [] if pending else await drift(migrations)
    except Unavailable:
        yield _found("unknown", f"The database {shown} cannot be reached, so which migrations have run is not known.")
        async for finding in _check_line(migrations):
            yield finding
        return
    except SetupError as error:
        yield _found("danger", str(error))
        return
    if pending and settings.migrate:
        yield _found("warning", f"Not run yet: {_list(pending)}. The application runs that in {shown} when it starts.")
    elif pending:
        yield _found("danger", f"Not run yet: {_list(pending)}. The start refuses {shown}: run `migrate` first.")
    for finding in differing:
        yield finding
    if pending:
        async for finding in _check_line(migrations):
            yield finding


async def _check_line(migrations: Migrations) -> AsyncIterator[Finding]:
    """What the migrations will not have made once they have run: all that can be said of a database that is behind."""
    try:
        for finding in await unwritten(migrations):
            yield finding
    except SetupError as error:
        yield _found("unknown", f"Whether the migrations make all of the tables cannot be seen on SQLite: {error}")


async def _current(migrations: Migrations, terms: Terms) -> str | None:
    path = terms.address.path
    # Opening a SQLite file that is not there would make it.
    return None if path is not None and not path.exists() else await migrations.current()


def _is_half_fenced(table: Table) -> bool:
    # One that refers to nothing only notes a tenant, as the audit log does.
    found = table.columns.get(TENANT)
    return found is not None and bool(found.nullable) and bool(found.foreign_keys)


def _unindexed(table: Table) -> Iterator[tuple[list[str], str]]:
    wanted = [
        (
            [column.name for column in constraint.columns],
            "which refers to another table: deleting there reads all rows here",
        )
        for constraint in sorted(table.foreign_key_constraints, key=lambda constraint: list(constraint.column_keys))
    ]
    if TENANT in table.columns and [TENANT] not in (columns for columns, _ in wanted):
        wanted.append(([TENANT], "by which calls look"))
    ordered = list(_ordered(table))
    for columns, why in wanted:
        # A foreign key is looked up with all of its columns, in whatever order the index has them.
        if not any(set(index[: len(columns)]) == set(columns) for index in ordered):
            yield columns, why


def _ordered(table: Table) -> Iterator[list[str]]:
    """The columns of everything that finds rows: the primary key, what is unique, and indexes of all rows."""
    yield [column.name for column in table.primary_key.columns]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        if not _is_partial(index) and len(index.columns) == len(index.expressions):
            yield [column.name for column in index.columns]


def _is_partial(index: Index) -> bool:
    # An index of some rows only does not find the others.
    options: Any = index.dialect_options
    return any(options[engine]["where"] is not None for engine in ("postgresql", "sqlite"))


def _found(level: Level, message: str) -> Finding:
    return Finding(level, MIGRATIONS, message)


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def _quoted(columns: Iterable[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
