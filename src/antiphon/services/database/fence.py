"""Keeps statements within a tenant, or an owner: they reach only its rows, and what they add becomes its own."""

# A table is fenced when it has a column `tenant_id` that is never null, and when one of its columns is marked as that
# of the owner: `Column("user_id", Id, …, info={"owner": True})`. The first side holds in every call, the second in
# those whose scope is `own` (see `reach`). Every place where a statement takes rows from a fenced table gets one more
# condition for each side, `tenant_id = …`, wherever that place is: in a subquery, a CTE, an EXISTS, a UNION. Where the
# condition has to stand follows from what it must remove:
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
    Column,
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

from antiphon.core.errors import Defect, SetupError
from antiphon.services.database.fencing import TENANT, Fencing, Parameters, Sides, is_a, leaf_of
from antiphon.services.database.reach import Reach, Rows

_MOST_SHAPES = 2_000

_SQL = re.compile(r"\b(select|from|table|with|values)\b", re.IGNORECASE)
"""What makes a literal column more than an expression."""


class _Shape(NamedTuple):
    """What is known of all statements of one shape.

    `fenced` are the tables with tenants that it is about, `owned` those with owners, and `nested` says whether it has
    others within it. `tenants` and `owners` are the columns that its WHERE must compare, when that is all there is to
    do; else None.
    """

    fenced: frozenset[str]
    owned: frozenset[str]
    nested: bool
    tenants: tuple[ColumnElement[Any], ...] | None
    owners: tuple[Column[Any], ...] = ()


class Fence:
    """The fence of one schema. Without a table that has tenants or owners nothing is looked at."""

    def __init__(self, metadata: MetaData) -> None:
        sides = {table.name.lower(): _sides_of(table) for table in metadata.tables.values()}
        self._tables = {name: each for name, each in sides.items() if each.tenants or each.owner is not None}
        self._shapes: dict[Any, _Shape] = {}

    def __bool__(self) -> bool:
        return bool(self._tables)

    def around(self, statement: Executable, parameters: Parameters, reach: Reach) -> tuple[Executable, Parameters]:
        """The statement and its parameters, kept within the rows of now.

        Raises Defect for what cannot be fenced, for a value of another tenant or owner, and when there is none.
        """
        if not self._tables:
            return statement, parameters
        shape = self._shape(statement)
        if not shape.fenced and not shape.owned:
            return statement, parameters
        rows = reach.rows()
        own = rows.owner_id is not None and bool(shape.owned)
        if not shape.fenced and not own:
            return statement, parameters
        self._require(rows, shape, adds=isinstance(statement, Insert))
        if shape.fenced and rows.everybody:
            reach.unscoped("the scope of the caller is any")
        fencing = Fencing(self._tables, rows)
        clone: Any = statement
        if shape.tenants is None:
            clone = self._fenced(fencing, statement, nested=shape.nested)
        elif not rows.everybody:
            owners = shape.owners if own else ()
            clone = clone.where(
                *(found == fencing.tenant for found in shape.tenants),
                *(found == fencing.owner(found) for found in owners),
            )
        if isinstance(statement, Insert | Update):
            parameters = fencing.parameters(statement, parameters)
        return clone, parameters

    def _require(self, rows: Rows, shape: _Shape, *, adds: bool) -> None:
        """Raise Defect unless it is known whose rows these are."""
        if shape.fenced and not rows.tenant_id and (adds or not rows.everybody):
            raise Defect(
                f"The statement is about {', '.join(sorted(shape.fenced))}, and this call belongs to no tenant. Say "
                f'which one by ctx.as_tenant(id), or run it in work.unscoped("why").'
            )
        if shape.owned and rows.owner_id == "":
            raise Defect(
                f"The statement is about {', '.join(sorted(shape.owned))}, of which the scope of this call is `own`, "
                f"and its caller has no id."
            )

    def _fenced(self, fencing: Fencing, statement: Any, *, nested: bool) -> Any:
        steps = {"select": fencing.select, "insert": fencing.insert, "update": fencing.change, "delete": fencing.change}
        if nested:
            return cloned_traverse(statement, {}, steps)
        clone = statement._generate()
        steps[clone.__visit_name__](clone)
        return clone

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
        sources = self._plain(statement) if simple else None
        fenced = frozenset(name for name in found if self._tables[name].tenants)
        owned = frozenset(name for name in found if self._tables[name].owner is not None)
        if sources is None:
            return _Shape(fenced, owned, nested, None)
        tenants = tuple(source.c[TENANT] for source, sides in sources if sides.tenants)
        owners = tuple(source.c[sides.owner.name] for source, sides in sources if sides.owner is not None)
        return _Shape(fenced, owned, nested, tenants, owners)

    def _plain(self, statement: Any) -> list[tuple[Any, Sides]] | None:
        """What it takes rows from, when each is a table of the program, which lives as long as the shape."""
        sources: list[Any] = []
        for source in statement.get_final_froms():
            while isinstance(source, Join) and not source.isouter and not source.full:
                sources.append(source.right)
                source = source.left
            sources.append(source)
        if not all(isinstance(source, Table) for source in sources):
            return None
        known = [(source, sides) for source in sources for name in self._of(source) if (sides := self._tables[name])]
        described = all(
            (TENANT in source.c or not sides.tenants) and (sides.owner is None or sides.owner.name in source.c)
            for source, sides in known
        )
        return known if described else None

    def _of(self, source: Any) -> Iterator[str]:
        table = leaf_of(source)
        if table is not None and (name := table.name.lower()) in self._tables:
            yield name


def _sides_of(table: Table) -> Sides:
    owners = [found for found in table.c if found.info.get("owner")]
    if len(owners) > 1:
        names = " and ".join(found.name for found in owners)
        raise SetupError(f"The table {table.name} marks {names} as the owner of a row. A row has one: mark one column.")
    return Sides(has_tenants(table), owners[0] if owners else None)


def has_tenants(table: Table) -> bool:
    """Whether the rows of a table belong to tenants: by a column `tenant_id` that is never null."""
    found = table.c.get(TENANT)
    return found is not None and not found.nullable


def _unreadable(what: str) -> Defect:
    return Defect(
        f"This cannot be kept within a tenant: {what[:100]!r}. Write it with SQLAlchemy's expressions over tables, or "
        f'run it in work.unscoped("why").'
    )
