"""Compares the tables of the program with a database, and says in words what separates them.

This imports Alembic, so it is imported itself only by those who look before a deployment.
"""

# What Alembic finds        means                                       and so it is
# add_table, add_column     the program has it, the database does not   a danger: statements fail
# add_constraint, add_fk    the same: a promise that nobody keeps       a danger
# add_index                 the same; a unique one is a promise         a danger, else a warning: rows are searched
# remove_column             the database has it, the program does not   a danger when it must be given, else a warning
# remove_…                  the same                                    a warning: nobody uses it
# modify_…                  both have it, and differently               a warning: engines write types in their own way

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.autogenerate import compare_metadata
from sqlalchemy import Column, Connection, Index

from antiphon.core.deploy import Finding
from antiphon.services.database.migrations import Migrations
from antiphon.services.database.revisions import context_of, made_from

CURE = "Write a migration with `migrate --make`, or undo what was changed by hand."


async def drift(migrations: Migrations) -> list[Finding]:
    """What the tables of the program and of this database do not have in common. CHECKs are not compared."""
    return await migrations.look(lambda connection: _look(connection, migrations, "The database", CURE))


async def unwritten(migrations: Migrations) -> list[Finding]:
    """The same for a new database in which every migration of the folder has run. Raises SetupError when one fails."""
    cure = "Write one with `migrate --make`."
    return await made_from(
        migrations.schema, lambda connection: _look(connection, migrations, "What the migrations make", cure)
    )


def _look(connection: Connection, migrations: Migrations, whose: str, cure: str) -> list[Finding]:
    with warnings.catch_warnings():
        # An index over an expression cannot be compared on every engine, which is no fault of the program.
        warnings.simplefilter("ignore")
        found: list[Any] = compare_metadata(context_of(connection), migrations.schema.metadata)
    return [finding for each in found for finding in _findings(each, whose, cure)]


def _findings(found: Any, whose: str, cure: str) -> Iterator[Finding]:
    # What is different about one column comes as a list.
    if isinstance(found, list):
        for each in found:  # pyright: ignore[reportUnknownVariableType]  # Alembic's tuples have no types
            yield from _findings(each, whose, cure)
        return
    verb, _, kind = str(found[0]).partition("_")
    if verb == "modify":
        about, what = f"{found[2]}.{found[3]}", f"has another {kind.replace('_', ' ')} for this column than the program"
        yield Finding("warning", about, f"{whose} {what}. {cure}")
        return
    about, name = _about(kind, found)
    if verb == "add":
        level = "warning" if kind == "index" and not found[1].unique else "danger"
        yield Finding(level, about, f"{whose} has no {name}, which the program has. {cure}")
    else:
        level = "danger" if kind == "column" and _must_be_given(found[3]) else "warning"
        yield Finding(level, about, f"{whose} has the {name}, which the program does not know. {cure}")


def _about(kind: str, found: Any) -> tuple[str, str]:
    """Where the difference is, and what it is called."""
    if kind == "table":
        return str(found[1].name), f"table {found[1].name}"
    if kind == "column":
        return f"{found[2]}.{found[3].name}", f"column {found[3].name}"
    item: Any = found[1]
    columns = _columns(item.expressions if isinstance(item, Index) else item.columns)
    table: Any = item.table
    words = {"index": "index", "fk": "foreign key"}.get(kind, "constraint")
    return f"{table.name}.{columns}", f"{words} {item.name or ''} over {columns}".replace("  ", " ")


def _columns(items: Iterable[Any]) -> str:
    return "+".join(str(getattr(item, "name", item)) for item in items)


def _must_be_given(column: Column[Any]) -> bool:
    return not column.nullable and column.server_default is None and not column.primary_key
