"""What an application says about its tables: metadata, the folder of the migrations, names for constraints."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sqlalchemy import Column, Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint

from antiphon.core.deploy import Finding, Review
from antiphon.core.errors import SetupError

NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Names for constraints, the same on both engines and in migrations: `MetaData(naming_convention=NAMES)`."""


@dataclass(frozen=True)
class Schema:
    """The tables of an application and the folder of its migrations, given as `App(values=[Schema(...)])`.

    What is unique may say which input is to blame when it is taken: `UniqueConstraint("email", info={"input":
    "email"})`, and likewise an `Index(..., unique=True)` and a column. The error `Taken` then names that input.
    """

    metadata: MetaData
    migrations: Path

    @cached_property
    def unique(self) -> dict[str, Unique]:
        """Whatever is unique, by its name and by its columns written as SQLite does: `users.tenant_id, users.name`."""
        found: dict[str, Unique] = {}
        for table in self.metadata.tables.values():
            for item in _unique_in(table):
                found[item.columns] = item
                if item.name:
                    found[item.name] = item
        return found

    async def check_deploy(self, review: Review) -> AsyncIterator[Finding]:
        """Columns without an index, and migrations that the database has not seen."""
        from antiphon.services.database.deploy import check_schema  # noqa: PLC0415  # it imports Alembic

        async for finding in check_schema(self, review):
            yield finding

    def has(self, tables: MetaData) -> bool:
        """Whether the application has these tables."""
        return not self._missing(tables)

    def require(self, tables: MetaData, name: str, asker: str) -> None:
        """Raise SetupError unless the application has these tables; `name` is how the public API calls them."""
        missing = self._missing(tables)
        if missing:
            raise SetupError(
                f"{asker} needs tables that the schema does not hold: {', '.join(missing)}. "
                f"Put them beside the others: `from antiphon import {name}`, then "
                f"`for table in {name}.tables.values(): table.to_metadata(metadata)`; "
                f"and write the migration with the command `migrate --make`."
            )

    def _missing(self, tables: MetaData) -> list[str]:
        return [table for table in tables.tables if table not in self.metadata.tables]


@dataclass(frozen=True, slots=True)
class Unique:
    """One unique constraint or index: its name, its columns (`users.email`), and the input to blame if it is known."""

    name: str
    columns: str
    input: str | None


def _unique_in(table: Table) -> list[Unique]:
    constraints = [item for item in table.constraints if isinstance(item, UniqueConstraint | PrimaryKeyConstraint)]
    indexes = [item for item in table.indexes if item.unique]
    return [
        *(_unique(table, str(item.name or ""), list(item.columns), item.info) for item in constraints),
        *(_unique(table, str(item.name or ""), _columns_of(item), item.info) for item in indexes),
    ]


def _columns_of(index: Index) -> list[Column[object]]:
    return [column for column in index.columns if len(index.columns) == len(index.expressions)]


def _unique(table: Table, name: str, columns: list[Column[object]], info: dict[object, object]) -> Unique:
    blamed = info.get("input")
    # What is unique within a tenant is the fault of the other column.
    own = [column for column in columns if column.name != "tenant_id"]
    if blamed is None and len(own) == 1:
        blamed = own[0].info.get("input")
    written = ", ".join(f"{table.name}.{column.name}" for column in columns)
    return Unique(name or written, written or name, str(blamed) if blamed is not None else None)
