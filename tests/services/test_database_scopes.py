"""The scope that a rule grants filters the rows of the call: own, those of the tenant, or all; on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, exists, func, insert, select
from sqlalchemy.dialects.postgresql import insert as insert_into_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

from antiphon import SYSTEM, App, Caller, Database, Defect, Forbidden, NotFound, Role, Roles, SetupError, Work
from antiphon.services.database.fence import Fence
from antiphon.services.database.reach import Reach, Rows
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from tests.services import scoped_actions as actions
from tests.services.tenancy_stage import OURS, SCHEMA, THEIRS, choirs, diaries, rows_of, scores, singers

ADA, BEA, EVE = (f"00000000-0000-8000-8000-0000000000a{number}" for number in (1, 2, 3))
ROLES = Roles(
    Role("singer", ["score:view:own", "score:write:own"]),
    Role("leader", ["score:*:tenant"]),
    Role("admin", ["*:*:any"]),
)
SCORES = [(1, OURS, ADA), (2, OURS, BEA), (3, THEIRS, EVE)]


def somebody(role: str, user_id: str = ADA) -> Caller:
    """Somebody of our tenant, with this role."""
    return Caller("user", user_id, OURS, frozenset({role}))


async def fill(work: Work) -> None:
    """Two scores of ours and one of theirs, and a diary of each singer."""
    anywhere = work.unscoped("the rows of both")
    for number, tenant_id, singer_id in SCORES:
        values = {"id": number, "tenant_id": tenant_id, "singer_id": singer_id, "name": "old"}
        await anywhere.execute(insert(scores).values(values))
        await anywhere.execute(insert(diaries).values(id=number, singer_id=singer_id))


@pytest.fixture
async def app(database_url: str, tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[TestApp]:
    """The actions of the stage, and scores of two tenants."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    stage = App("stage", modules=[actions.module], values=[SCHEMA, ROLES])
    async with TestApp.start(stage, tmp_path, environ) as running:
        async with running.runtime.require(Database, "the test").transaction(write=True) as work:
            await fill(work)
        yield running


async def kept(app: TestApp) -> list[tuple[Any, ...]]:
    """Every score there is: its number, whose it is, and its name."""
    async with app.runtime.require(Database, "the test").transaction() as work:
        rows = select(scores.c.id, scores.c.tenant_id, scores.c.singer_id, scores.c.name)
        return await rows_of(work.unscoped("to compare"), rows)


@pytest.mark.parametrize(("role", "seen"), [("singer", [1]), ("leader", [1, 2]), ("admin", [1, 2, 3])])
async def test_the_scope_is_the_row_filter(app: TestApp, role: str, seen: list[int]) -> None:
    """`own` sees the caller's rows, `tenant` those of the tenant, `any` all; the action says nothing of it."""
    assert await app.call_as(somebody(role), actions.list_scores) == seen


async def test_a_table_without_tenants_is_filtered_by_its_owner(app: TestApp) -> None:
    """Under `own` alone: no wider scope has anything to filter by."""
    assert await app.call_as(somebody("singer"), actions.list_diaries) == [1]
    assert await app.call_as(somebody("leader"), actions.list_diaries) == [1, 2, 3]


@pytest.mark.parametrize(("role", "reached"), [("singer", 1), ("leader", 2), ("admin", 3)])
async def test_changes_stay_within_the_scope(app: TestApp, role: str, reached: int) -> None:
    """UPDATE and DELETE touch what the caller may see and nothing else."""
    renamed = await app.call_as(somebody(role), actions.rename_scores)
    names = [row[3] for row in await kept(app)]
    cleared = await app.call_as(somebody(role), actions.clear_scores)

    assert (renamed, cleared) == (reached, reached)
    assert names == ["renamed"] * reached + ["old"] * (3 - reached)
    assert [row[0] for row in await kept(app)] == [row[0] for row in SCORES[reached:]]


async def test_what_is_added_under_own_is_the_callers(app: TestApp) -> None:
    """The owner is set; another one is a Defect, whichever way it is said."""
    await app.call_as(somebody("singer"), actions.write_score, 7)
    await app.call_as(somebody("singer"), actions.write_score, 8, ADA)
    with pytest.raises(Defect):
        await app.call_as(somebody("singer"), actions.write_score, 9, BEA)
    with pytest.raises(Defect):
        await app.call_as(somebody("singer"), actions.pass_on, BEA)

    assert (await kept(app))[3:] == [(7, OURS, ADA, "new"), (8, OURS, ADA, "new")]


@pytest.mark.parametrize("role", ["leader", "admin"])
async def test_what_is_added_belongs_to_the_tenant_in_every_scope(app: TestApp, role: str) -> None:
    """A wider scope may write for others, and does so within the tenant of the call."""
    await app.call_as(somebody(role), actions.write_score, 7, BEA)

    assert (await kept(app))[3:] == [(7, OURS, BEA, "new")]


async def test_any_is_told_once_and_nothing_narrower_is(app: TestApp) -> None:
    """The audit log reads that a call has looked beyond its tenant."""
    assert await app.call_as(somebody("admin"), actions.told) == ["the scope of the caller is any"]
    assert await app.call_as(somebody("leader"), actions.told) == []


async def test_any_stays_within_a_tenant_that_it_names(app: TestApp) -> None:
    """After `as_tenant` it sees that tenant alone, be it the caller's own; for others another one looks missing."""
    assert await app.call_as(somebody("admin"), actions.list_within, THEIRS) == [3]
    assert await app.call_as(somebody("admin"), actions.list_within, OURS) == [1, 2]
    with pytest.raises(NotFound):
        await app.call_as(somebody("leader"), actions.list_within, THEIRS)


async def test_the_system_says_what_it_looks_at(app: TestApp) -> None:
    """It is granted everything, by nobody: without a tenant it reaches no row, within one only those."""
    within = Caller("system", tenant_id=THEIRS)

    with pytest.raises(Defect):
        await app.call_as(SYSTEM, actions.list_scores)
    assert await app.call_as(within, actions.list_scores) == [3]


async def test_a_call_within_a_call_has_its_own_scope(app: TestApp) -> None:
    """What it may see is its own rule's to say, before and after which the outer call sees what it saw."""
    assert await app.call_as(somebody("singer"), actions.count_scores) == [[1, 2], [1], [1, 2]]
    assert await app.call_as(somebody("admin"), actions.count_scores) == [[1, 2], [1, 2, 3], [1, 2]]


async def test_who_may_not_at_all_sees_nothing(app: TestApp) -> None:
    """A rule that refuses is no scope."""
    with pytest.raises(Forbidden):
        await app.call_as(somebody("nobody"), actions.list_scores)


# Statements of every shape, without an application


@pytest.fixture
async def own(database_url: str) -> AsyncIterator[Work]:
    """A transaction of Ada's under `own`, which nobody keeps."""
    async with choirs(database_url) as database:
        work = Work(database, write=True, reach=Reach(lambda: Rows(OURS, ADA)))
        await fill(work)
        yield work
        await work.rollback()


async def test_every_place_of_a_statement_is_filtered(own: Work) -> None:
    """Aliases, joins of both kinds, subqueries, EXISTS and unions see the caller's rows alone."""
    one, other = scores.alias(), scores.alias()
    statements = [
        select(one.c.id),
        select(scores.c.id).join(other, other.c.tenant_id == scores.c.tenant_id),
        select(scores.c.id, func.count(other.c.id)).outerjoin(other, other.c.id != scores.c.id).group_by(scores.c.id),
        select(singers.c.id).where(exists(select(one.c.id).where(one.c.id == singers.c.id))),
        select(select(scores.c.id).subquery().c.id),
        select(scores.c.id).union_all(select(diaries.c.id)),
    ]

    found = [await rows_of(own, statement) for statement in statements]

    assert found == [[(1,)], [(1,)], [(1, 0)], [(1,)], [(1,)], [(1,), (1,)]]


async def test_each_way_to_add_sets_the_owner(own: Work) -> None:
    """By values, by several, by parameters, and by a SELECT."""
    await own.execute(insert(scores).values([{"id": 21, "name": "one"}, {"id": 22, "name": "two"}]))
    await own.execute(insert(scores), {"id": 23, "name": "three"})
    await own.execute(insert(scores), [{"id": 24, "name": "four"}, {"id": 25, "name": "five"}])
    first = select(scores.c.id + 30, scores.c.name).where(scores.c.id == 1)
    await own.execute(insert(scores).from_select(["id", "name"], first))
    await own.execute(insert(diaries), {"id": 21})
    owners = select(scores.c.id, scores.c.singer_id).where(scores.c.id > 3)

    assert await rows_of(own.unscoped("to look"), owners) == [(number, ADA) for number in (21, 22, 23, 24, 25, 31)]
    assert await own.scalar(select(func.count()).select_from(diaries)) == 2
    for statement, parameters in (
        (insert(scores).values([{"id": 41, "name": "x", "singer_id": BEA}]), None),
        (insert(scores), [{"id": 41, "name": "x", "singer_id": BEA}]),
        (
            insert(scores).from_select(["id", "name", "singer_id"], select(scores.c.id, scores.c.name, scores.c.id)),
            None,
        ),
    ):
        with pytest.raises(Defect, match="singer_id"):
            await own.execute(statement, parameters)


async def test_an_upsert_does_not_open_the_row_of_another_owner(own: Work) -> None:
    """ON CONFLICT DO UPDATE changes one's own row, and of another owner's nothing."""
    into: Any = insert_into_sqlite if own.engine == "sqlite" else insert_into_postgresql
    for number in (1, 2):
        statement = into(scores).values(id=number, name="mine")
        await own.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"name": "mine"}))
    names = select(scores.c.name).where(scores.c.id < 3)

    assert await rows_of(own.unscoped("to look"), names) == [("mine",), ("old",)]


async def test_own_needs_somebody(database_url: str) -> None:
    """A scope `own` of a caller without an id is a Defect, and no filter that fits nothing."""
    async with choirs(database_url) as database:
        work = Work(database, write=False, reach=Reach(lambda: Rows(OURS, "")))
        with pytest.raises(Defect, match="no id"):
            await work.execute(select(scores.c.id))


def test_a_row_has_one_owner() -> None:
    """Two columns that are marked stop the start, and are named."""
    metadata = MetaData()
    marked = [Column(name, Integer, info={"owner": True}) for name in ("maker", "keeper")]
    Table("gifts", metadata, Column("id", Integer, primary_key=True), *marked)

    with pytest.raises(SetupError, match="gifts marks maker and keeper"):
        Fence(metadata)
