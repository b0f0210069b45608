"""Puts the conditions of a tenant into copies of statements: the places are those of the table in `fence`."""

# What SQLAlchemy gives for changing a statement makes a new one of the outermost alone. Within a traversal that copies
# the whole of it, a copy is changed in place, through attributes that SQLAlchemy calls its own: `_where_criteria`,
# `_from_obj`, `_values`. They are touched in this file only, and the tests of the fence run each of them.

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Insert, Join, Select, TableClause, Update, and_, column, literal
from sqlalchemy.sql.elements import BindParameter, ColumnClause
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping, SelectBase

from antiphon.core.errors import Defect
from antiphon.services.database.columns import Id

TENANT = "tenant_id"
"""The column by which a table is fenced."""

type Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None


class Fencing:
    """Changes copies of statements, in place, for one tenant."""

    def __init__(self, names: frozenset[str], tenant_id: str) -> None:
        self._names = names
        self._tenant_id = tenant_id
        self.value = literal(tenant_id, Id)

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
            self._check(getattr(copied, "_values", None))
        copied._where_criteria += tuple(conditions)
        copied._reset_memoizations()

    def insert(self, copied: Any) -> None:
        """Let an INSERT set the tenant, whichever way it is given its values."""
        if not self._is_fenced(copied.table):
            return
        if copied.select is not None:
            if TENANT in copied._select_names or not is_a(copied.select, Select):
                raise Defect("INSERT … SELECT must not select tenant_id itself: it is added, as that of the call.")
            copied._select_names = [*copied._select_names, TENANT]
            copied.select = copied.select.add_columns(self.value)
        elif copied._multi_values:
            copied._multi_values = tuple([self._row(row) for row in rows] for rows in copied._multi_values)
        elif copied._values:
            self._check(copied._values)
            copied._values = copied.table.insert().values({**copied._values, TENANT: self._tenant_id})._values
        self._on_conflict(copied)
        copied._reset_memoizations()

    def parameters(self, statement: Any, given: Parameters) -> Parameters:
        """What is executed with the statement, with the tenant in it where the statement has no values of its own."""
        rows = [given] if given is None or isinstance(given, Mapping) else given
        for row in rows:
            self._check(row)
        if not isinstance(statement, Insert) or not self._is_fenced(statement.table):
            return given
        plain: Any = statement
        if plain._values or plain._multi_values or plain.select is not None:
            return given
        filled = [{**(row or {}), TENANT: self._tenant_id} for row in rows]
        return filled[0] if given is None or isinstance(given, Mapping) else filled

    def _source(self, source: Any, conditions: list[ColumnElement[bool]]) -> Any:
        if is_a(source, FromGrouping):
            inner = self._source(source.element, conditions)
            return source if inner is source.element else inner
        if is_a(source, Join):
            return self._join(source, conditions)
        if self._is_fenced(source):
            conditions.append(self._own(source))
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

    def _own(self, source: Any) -> ColumnElement[bool]:
        found = source.c.get(TENANT)
        if found is None:
            # A table in few words, `table("users", column("id"))`: the column is there all the same.
            found = column(TENANT, Id, _selectable=source)
        return found == self.value

    def _on_conflict(self, copied: Any) -> None:
        clause = copied._post_values_clause
        if clause is None or not hasattr(clause, "update_values_to_set"):
            return
        self._check(clause.update_values_to_set)
        kept = copy(clause)
        before = clause.update_whereclause
        own = self._own(copied.table)
        kept.update_whereclause = own if before is None else and_(before, own)
        copied._post_values_clause = kept

    def _row(self, row: Any) -> Any:
        self._check(row)
        return {**{key: value for key, value in row.items() if _name(key) != TENANT}, TENANT: self._tenant_id}

    def _check(self, values: Any) -> None:
        """Refuse a value of another tenant."""
        pairs: Iterable[tuple[Any, Any]] = () if not values else values.items() if hasattr(values, "items") else values
        for key, value in pairs:
            if _name(key) == TENANT and not self._is_own(value):
                raise Defect("A statement sets tenant_id to something else than the tenant of its call.")

    def _is_own(self, value: Any) -> bool:
        given = value.value if is_a(value, BindParameter) else value
        try:
            return UUID(str(given)) == UUID(self._tenant_id)
        except ValueError:
            return str(given) == self._tenant_id

    def _is_fenced(self, source: Any) -> bool:
        table = leaf_of(source)
        return table is not None and table.name.lower() in self._names


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


def _name(key: Any) -> str:
    return str(getattr(key, "name", key))
