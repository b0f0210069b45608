"""Puts the conditions of a tenant and an owner into copies of statements: the places are those of `fence`."""

# What SQLAlchemy gives for changing a statement makes a new one of the outermost alone. Within a traversal that copies
# the whole of it, a copy is changed in place, through attributes that SQLAlchemy calls its own: `_where_criteria`,
# `_from_obj`, `_values`. They are touched in this file only, and the tests of the fence run each of them.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Insert, Join, Select, TableClause, Update, and_, column, literal
from sqlalchemy.sql.elements import BindParameter, ColumnClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping, SelectBase

from antiphon.core.errors import Defect
from antiphon.services.database.columns import Id
from antiphon.services.database.reach import Rows

TENANT = "tenant_id"
"""The column by which a table is fenced."""

type Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Sides(NamedTuple):
    """The columns by which a table is fenced: whether it has `tenant_id`, and which one names the owner of a row."""

    tenants: bool
    owner: Column[Any] | None


class Fencing:
    """Changes copies of statements, in place, so that they stay within these rows."""

    def __init__(self, tables: Mapping[str, Sides], rows: Rows) -> None:
        self._tables = tables
        self._rows = rows
        self.tenant = literal(rows.tenant_id, Id)

    def owner(self, column: Column[Any]) -> ColumnElement[Any]:
        """The owner, to compare with this column."""
        return literal(self._rows.owner_id, column.type)

    def select(self, copied: Any) -> None:
        """Fence what a SELECT takes rows from."""
        conditions: list[ColumnElement[bool]] = []
        sources: list[Any] = copied.get_final_froms()
        kept = [self._source(source, conditions) for source in sources]
        if any(one is not other for one, other in zip(sources, kept, strict=True)):
            copied._from_obj = tuple(kept)
            copied._setup_joins = ()
        copied._where_criteria += tuple(conditions)
        copied._reset_memoizations()

    def change(self, copied: Any) -> None:
        """Fence an UPDATE or DELETE, and the other tables that it names."""
        named = dict.fromkeys([copied.table, *_tables_named(copied)])
        conditions: list[ColumnElement[bool]] = []
        for source in named:
            self._source(source, conditions)
        if is_a(copied, Update):
            self._check(getattr(copied, "_values", None), self._own_values(copied.table))
        copied._where_criteria += tuple(conditions)
        copied._reset_memoizations()

    def insert(self, copied: Any) -> None:
        """Let an INSERT set the tenant and the owner, whichever way it is given its values."""
        own = self._own_values(copied.table)
        if not own:
            return
        if copied.select is not None:
            if not own.keys().isdisjoint(copied._select_names) or not is_a(copied.select, Select):
                names = ", ".join(own)
                raise Defect(f"INSERT … SELECT must not select {names} itself: it is added, as that of the call.")
            copied._select_names = [*copied._select_names, *own]
            copied.select = copied.select.add_columns(*(self._literal(copied.table, name) for name in own))
        elif copied._multi_values:
            copied._multi_values = tuple([self._row(row, own) for row in rows] for rows in copied._multi_values)
        elif copied._values:
            self._check(copied._values, own)
            copied._values = copied.table.insert().values({**copied._values, **own})._values
        self._on_conflict(copied, own)
        copied._reset_memoizations()

    def parameters(self, statement: Insert | Update, given: Parameters) -> Parameters:
        """What is executed with the statement, with tenant and owner in it where it has no values of its own."""
        own = self._own_values(statement.table)
        rows = [given] if given is None or isinstance(given, Mapping) else given
        for row in rows:
            self._check(row, own)
        plain: Any = statement
        if not own or not is_a(plain, Insert) or plain._values or plain._multi_values or plain.select is not None:
            return given
        filled = [{**(row or {}), **own} for row in rows]
        return filled[0] if given is None or isinstance(given, Mapping) else filled

    def _source(self, source: Any, conditions: list[ColumnElement[bool]]) -> Any:
        if is_a(source, FromGrouping):
            inner = self._source(source.element, conditions)
            return source if inner is source.element else inner
        if is_a(source, Join):
            return self._join(source, conditions)
        conditions.extend(self._own(source))
        return source

    def _join(self, join: Any, conditions: list[ColumnElement[bool]]) -> Any:
        on: list[ColumnElement[bool]] = []
        left = self._source(join.left, on if join.full else conditions)
        right = self._source(join.right, on if join.isouter or join.full else conditions)
        if join.full and on:
            raise Defect("A FULL JOIN of tables with tenants cannot be kept within one. Join two subqueries instead.")
        if left is join.left and right is join.right and not on:
            return join
        onclause: Any = join.onclause
        return Join(left, right, and_(onclause, *on), isouter=join.isouter, full=join.full)

    def _own(self, source: Any) -> Iterator[ColumnElement[bool]]:
        """What has to be so for a row of this source to be in reach."""
        sides = self._sides(source)
        if sides is None:
            return
        if sides.tenants and not self._rows.everybody:
            yield _column(source, TENANT, Id) == self.tenant
        if sides.owner is not None and self._rows.owner_id is not None:
            yield _column(source, sides.owner.name, sides.owner.type) == self.owner(sides.owner)

    def _own_values(self, table: Any) -> dict[str, str]:
        """What a row of this table says of tenant and owner, by column: it is not for a statement to say."""
        sides = self._sides(table)
        if sides is None:
            return {}
        own = {TENANT: self._rows.tenant_id} if sides.tenants else {}
        if sides.owner is not None and self._rows.owner_id is not None:
            own[sides.owner.name] = self._rows.owner_id
        return own

    def _literal(self, table: Any, name: str) -> ColumnElement[Any]:
        sides = self._sides(table)
        return self.tenant if name == TENANT or sides is None or sides.owner is None else self.owner(sides.owner)

    def _on_conflict(self, copied: Any, own: Mapping[str, str]) -> None:
        clause = copied._post_values_clause
        if clause is None or not hasattr(clause, "update_values_to_set"):
            return
        self._check(clause.update_values_to_set, own)
        kept = copy(clause)
        before = clause.update_whereclause
        conditions = [*self._own(copied.table), *(() if before is None else (before,))]
        kept.update_whereclause = and_(*conditions) if conditions else None
        copied._post_values_clause = kept

    def _row(self, row: Any, own: Mapping[str, str]) -> Any:
        self._check(row, own)
        return {**{key: value for key, value in row.items() if _name(key) not in own}, **own}

    def _check(self, values: Any, own: Mapping[str, str]) -> None:
        """Refuse a value of another tenant, and under the scope `own` of another owner."""
        pairs: Iterable[tuple[Any, Any]] = () if not values else values.items() if hasattr(values, "items") else values
        for key, value in pairs:
            name = _name(key)
            if name in own and not _is_same(value, own[name]):
                raise Defect(f"A statement sets {name} to something else than that of its call.")

    def _sides(self, source: Any) -> Sides | None:
        table = leaf_of(source)
        return None if table is None else self._tables.get(table.name.lower())


def is_a(what: Any, *kinds: type[Any]) -> bool:
    """`isinstance` that leaves the type alone: SQLAlchemy's generic classes become partly unknown by it."""
    return isinstance(what, kinds)


def leaf_of(source: Any) -> Any:
    """The table that stands here, perhaps under another name; None for what is made of other parts."""
    while is_a(source, AliasedReturnsRows):
        source = source.element
    return source if is_a(source, TableClause) else None


def _tables_named(statement: Any) -> Iterator[Any]:
    """The tables whose columns an UPDATE or DELETE names outside of any subquery."""
    waiting = [*statement.get_children()]
    while waiting:
        element = waiting.pop()
        if is_a(element, SelectBase):
            continue
        if is_a(element, ColumnClause) and element.table is not None:
            yield element.table
        waiting += element.get_children()


def _column(source: Any, name: str, kind: Any) -> Any:
    found = source.c.get(name)
    # A table in few words, `table("users", column("id"))`: the column is there all the same.
    return column(name, kind, _selectable=source) if found is None else found


def _is_same(value: Any, mine: str) -> bool:
    given = value.value if is_a(value, BindParameter) else value
    try:
        return UUID(str(given)) == UUID(mine)
    except ValueError:
        return str(given) == mine


def _name(key: Any) -> str:
    return str(getattr(key, "name", key))
