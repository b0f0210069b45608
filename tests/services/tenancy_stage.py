"""Tables of two tenants with rows in them, and statements made at random over them."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    FromClause,
    Integer,
    MetaData,
    Select,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    union,
    union_all,
)

from antiphon.services.database import NAMES, Database, Id, Schema, Work
from tests.services.database_stage import opened

METADATA = MetaData(naming_convention=NAMES)
OURS = "00000000-0000-8000-8000-00000000000a"
THEIRS = "00000000-0000-8000-8000-00000000000b"


def _table(name: str) -> Table:
    return Table(
        name,
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", Id, nullable=False),
        Column("key", Integer, nullable=False),
        Column("name", String(20), nullable=False),
    )


singers, songs = _table("singers"), _table("songs")
places = Table("places", METADATA, Column("id", Integer, primary_key=True), Column("name", String(20), nullable=False))
scores = Table(
    "scores",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", Id, nullable=False),
    Column("singer_id", Id, nullable=False, info={"owner": True}),
    Column("name", String(20), nullable=False),
)
diaries = Table(
    "diaries",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("singer_id", Id, nullable=False, info={"owner": True}),
)
SCHEMA = Schema(METADATA, Path(__file__).with_name("tenancy_migrations"))


@asynccontextmanager
async def choirs(url: str) -> AsyncGenerator[Database]:
    """A database with rows of both tenants, whose keys are the same: they would join, if anything let them."""
    async with opened(url, schema=SCHEMA) as database:
        async with database.transaction(write=True) as work:
            anywhere = work.unscoped("the rows of both")
            for table in (singers, songs):
                await anywhere.execute(insert(table), [_row(number) for number in range(1, 9)])
            await anywhere.execute(insert(places), [{"id": 1, "name": "hall"}])
        yield database


def _row(number: int) -> dict[str, Any]:
    ours = number % 2 == 1
    return {
        "id": number,
        "tenant_id": OURS if ours else THEIRS,
        "key": number // 3,
        "name": f"{'our' if ours else 'their'}-{number}",
    }


async def without_others(work: Work) -> Work:
    """The same rows as if nobody else had any; the fence is not asked."""
    anywhere = work.unscoped("what a statement gives where there are no others")
    for table in (singers, songs):
        await anywhere.execute(delete(table).where(table.c.tenant_id == THEIRS))
    return anywhere


async def rows_of(work: Work, statement: Any) -> list[tuple[Any, ...]]:
    """What a statement gives, in an order of its own."""
    return sorted(tuple(row) for row in await work.execute(statement))


@st.composite
def sources(draw: st.DrawFn, depth: int) -> FromClause:
    """Something to select from, with the columns `key` and `name`."""
    kind = draw(st.sampled_from(("table", "alias", "subquery", "cte", "union") if depth else ("table", "alias")))
    table = draw(st.sampled_from((singers, songs)))
    if kind == "table":
        return table
    if kind == "alias":
        return table.alias()
    if kind == "union":
        joined = draw(st.sampled_from((union, union_all)))
        return joined(draw(queries(depth - 1)), draw(queries(depth - 1))).subquery()
    query = draw(queries(depth - 1))
    return query.subquery() if kind == "subquery" else query.cte()


@st.composite
def queries(draw: st.DrawFn, depth: int = 2) -> Select[Any, Any]:
    """A SELECT of `key` and `name`, with joins, subqueries and what else takes rows from somewhere."""
    one = draw(sources(depth))
    name: Any = one.c.name
    other = draw(sources(depth)) if draw(st.booleans()) else None
    source = one
    if other is not None and other is not one:
        outer = draw(st.booleans())
        source = one.join(other, one.c.key == other.c.key, isouter=outer)
        name = one.c.name + "/" + func.coalesce(other.c.name, "-")
    query = select(one.c.key.label("key"), name.label("name")).select_from(source)
    inner = draw(st.sampled_from((None, singers.alias(), songs.alias())))
    if inner is not None:
        how = draw(st.sampled_from(("exists", "in", "count", "not exists")))
        if how == "in":
            query = query.where(one.c.key.in_(select(inner.c.key).where(inner.c.id > 2)))
        elif how == "count":
            counted = select(func.count()).select_from(inner).where(inner.c.key == one.c.key).scalar_subquery()
            query = query.where(counted > literal(1))
        else:
            there = exists(select(inner.c.id).where(inner.c.key == one.c.key, inner.c.id < 5))
            query = query.where(there if how == "exists" else ~there)
    return query


@st.composite
def conditions(draw: st.DrawFn, table: Table) -> Any:
    """What an UPDATE or DELETE of a table may ask for."""
    kind = draw(st.sampled_from(("all", "key", "in", "exists")))
    other = singers if table is songs else songs
    if kind == "key":
        return table.c.key == draw(st.integers(0, 2))
    if kind == "in":
        return table.c.key.in_(select(draw(queries(1)).subquery().c.key))
    if kind == "exists":
        return exists(select(other.c.id).where(other.c.key == table.c.key, other.c.id > draw(st.integers(0, 8))))
    return table.c.id > 0
