"""Keeps statements within a tenant: they see, change and remove only its rows, and what they add becomes its own."""

# A table is fenced when it has a column `tenant_id` that is never null. Every place where a statement takes rows from a
# fenced table gets one more condition, `tenant_id = …`, wherever that place is: in a subquery, a CTE, an EXISTS, a
# UNION. Where the condition has to stand follows from what it must remove:
#
#     place                                  where
#     FROM a, and a JOIN b                   WHERE: rows of others are not there
#     the b of a LEFT JOIN b                 ON: a row of `a` without one of its own in b stays, beside nulls
#     a FULL JOIN b                          nowhere is right: refused
#     UPDATE a, DELETE FROM a, and others    WHERE
#       that such a statement names
#     INSERT INTO a                          the column is set; a value that differs is refused
#       … SELECT                             the column is added to what is selected
#       … ON CONFLICT DO UPDATE              its WHERE, or a key of somebody else would open their row
#
# What cannot be read cannot be fenced: SQL as text is refused, wherever it stands. `work.unscoped(reason)` is for it.
#
# To read a statement takes longer than to run a short one, so what was found is kept by the statement's shape, which is
# the key under which SQLAlchemy itself keeps what it has compiled: all but the values.

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Delete,
    Executable,
    Insert,
    Join,
    MetaData,
    Select,
    Table,
    TextClause,
    Update,
)
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.selectable import FromClause, TextualSelect
from sqlalchemy.sql.visitors import cloned_traverse, iterate

from antiphon.core.errors import Defect
from antiphon.services.database.fencing import TENANT, Fencing, Parameters, is_a, leaf_of

_MOST_SHAPES = 2_000

_SQL = re.compile(r"\b(select|from|table|with|values)\b", re.IGNORECASE)
"""What makes a literal column more than an expression."""


class _Shape(NamedTuple):
    """What is known of all statements of one shape.

    `fenced` are the tables it is about, `nested` whether it has others within it, and `columns` those that its WHERE
    must compare, when that is all there is to do.
    """

    fenced: frozenset[str]
    nested: bool
    columns: tuple[ColumnElement[Any], ...] | None


class Fence:
    """The fence of one schema. Without a table that has tenants nothing is looked at."""

    def __init__(self, metadata: MetaData) -> None:
        self._names = frozenset(table.name.lower() for table in metadata.tables.values() if _has_tenants(table))
        self._shapes: dict[Any, _Shape] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    @property
    def names(self) -> list[str]:
        """The tables that are fenced."""
        return sorted(self._names)

    def around(self, statement: Executable, parameters: Parameters, tenant_id: str) -> tuple[Executable, Parameters]:
        """The statement and its parameters, kept within the tenant.

        Raises Defect for what cannot be fenced, for a value of another tenant, and when there is no tenant.
        """
        if not self._names:
            return statement, parameters
        fenced, nested, columns = self._shape(statement)
        if not fenced:
            return statement, parameters
        if not tenant_id:
            raise Defect(
                f"The statement is about {', '.join(sorted(fenced))}, and this call belongs to no tenant. Say which "
                f'one by ctx.as_tenant(id), or run it in work.unscoped("why").'
            )
        fencing = Fencing(self._names, tenant_id)
        steps = {"select": fencing.select, "insert": fencing.insert, "update": fencing.change, "delete": fencing.change}
        clone: Any = statement
        if columns is not None:
            clone = clone.where(*(found == fencing.value for found in columns))
        elif nested:
            clone = cloned_traverse(clone, {}, steps)
        else:
            clone = clone._generate()
            steps[clone.__visit_name__](clone)
        if isinstance(statement, Insert | Update):
            parameters = fencing.parameters(statement, parameters)
        return clone, parameters

    def _shape(self, statement: Any) -> _Shape:
        kept = statement._generate_cache_key()
        if kept is None:
            return self._look(statement)
        shape = self._shapes.get(kept.key)
        if shape is None:
            if len(self._shapes) >= _MOST_SHAPES:
                self._shapes.clear()
            shape = self._shapes[kept.key] = self._look(statement)
        return shape

    def _look(self, statement: Any) -> _Shape:
        if not is_a(statement, Select, CompoundSelect, Insert, Update, Delete):
            raise _unreadable(type(statement).__name__)
        found: set[str] = set()
        makers = 0
        elements: Iterator[Any] = iterate(statement)
        for element in elements:
            if isinstance(element, TextClause | TextualSelect):
                raise _unreadable(str(element))
            if isinstance(element, ColumnClause):
                if element.is_literal and _SQL.search(element.name):
                    raise _unreadable(element.name)
                found.update(self._of(element.table))
            elif isinstance(element, FromClause):
                found.update(self._of(element))
            if isinstance(element, Select | Insert | Update | Delete):
                makers += 1
        nested = makers > 1 or isinstance(statement, CompoundSelect)
        simple = found and not nested and isinstance(statement, Select)
        return _Shape(frozenset(found), nested, self._columns(statement) if simple else None)

    def _columns(self, statement: Any) -> tuple[ColumnElement[Any], ...] | None:
        """The columns to compare, when each belongs to a table of the program, which lives as long as the shape."""
        sources: list[Any] = []
        for source in statement.get_final_froms():
            while isinstance(source, Join) and not source.isouter and not source.full:
                sources.append(source.right)
                source = source.left
            sources.append(source)
        if not all(isinstance(source, Table) for source in sources):
            return None
        return tuple(source.c[TENANT] for source in sources if TENANT in source.c and any(self._of(source)))

    def _of(self, source: Any) -> Iterator[str]:
        table = leaf_of(source)
        if table is not None and table.name.lower() in self._names:
            yield table.name


def _has_tenants(table: Any) -> bool:
    found = table.c.get(TENANT)
    return found is not None and not found.nullable


def _unreadable(what: str) -> Defect:
    return Defect(
        f"This cannot be kept within a tenant: {what[:100]!r}. Write it with SQLAlchemy's expressions over tables, or "
        f'run it in work.unscoped("why").'
    )
