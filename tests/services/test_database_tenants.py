"""The fence around a tenant: whatever a statement says, it reaches no row of another, on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Executable,
    String,
    Table,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    table,
    text,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as insert_into_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite

from antiphon.core.errors import Defect
from antiphon.services.database import Database, Work
from antiphon.services.database.reach import Reach
from tests.services.tenancy_stage import (
    OURS,
    THEIRS,
    choirs,
    conditions,
    places,
    queries,
    rows_of,
    singers,
    songs,
    without_others,
)

SOME = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def everything(work: Work, which: Table) -> list[tuple[Any, ...]]:
    """Every row there is."""
    return await rows_of(work.unscoped("to compare"), select(which))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The rows of two tenants, on each engine."""
    async with choirs(database_url) as ready:
        yield ready


@SOME
@given(statement=queries())
async def test_a_select_gives_what_it_would_without_the_others(database: Database, statement: Any) -> None:
    """Any SELECT, however nested, gives what it gives where nobody else has rows."""
    async with database.transaction(tenant_id=OURS) as work:
        found = await rows_of(work, statement)

    alone = Work(database, write=True)
    expected = await rows_of(await without_others(alone), statement)
    await alone.rollback()

    assert found == expected


@SOME
@given(data=st.data(), which=st.sampled_from((singers, songs)), removes=st.booleans())
async def test_a_change_leaves_the_rows_of_others(
    database: Database, data: st.DataObject, which: Table, *, removes: bool
) -> None:
    """Any UPDATE or DELETE does what it does where nobody else has rows, and theirs stay as they are."""
    condition = data.draw(conditions(which))
    statement: Any = (delete(which) if removes else update(which).values(name=which.c.name + "!")).where(condition)
    changing, alone = Work(database, write=True, reach=Reach.within(OURS)), Work(database, write=True)

    theirs = [row for row in await everything(changing, which) if row[1] == THEIRS]
    await changing.execute(statement)
    after = await everything(changing, which)
    await changing.rollback()

    await (await without_others(alone)).execute(statement)
    expected = await everything(alone, which)
    await alone.rollback()
    assert after == sorted(theirs + expected)


async def test_what_is_added_becomes_the_tenants_own(database: Database) -> None:
    """Each way to say the values of an INSERT sets the tenant of the call."""
    async with database.transaction(write=True, tenant_id=OURS) as work:
        await work.execute(insert(singers).values(id=21, key=9, name="one"))
        await work.execute(
            insert(singers).values([{"id": 22, "key": 9, "name": "two"}, {"id": 23, "key": 9, "name": "3"}])
        )
        await work.execute(insert(singers), {"id": 24, "key": 9, "name": "four"})
        await work.execute(insert(singers), [{"id": 25, "key": 9, "name": "five"}, {"id": 26, "key": 9, "name": "six"}])
        await work.execute(insert(singers).values(id=27, key=9, name="seven", tenant_id=OURS))
        copied = select(songs.c.id + 30, songs.c.key + 9, songs.c.name).where(songs.c.key == 0)
        await work.execute(insert(singers).from_select(["id", "key", "name"], copied))
        added = await rows_of(
            work.unscoped("to look"), select(singers.c.tenant_id, singers.c.id).where(singers.c.key >= 9)
        )

    assert added == [(OURS, number) for number in (21, 22, 23, 24, 25, 26, 27, 31)]


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (insert(singers).values(id=21, key=9, name="x", tenant_id=THEIRS), None),
        (insert(singers).values([{"id": 21, "key": 9, "name": "x", "tenant_id": THEIRS}]), None),
        (insert(singers), {"id": 21, "key": 9, "name": "x", "tenant_id": THEIRS}),
        (insert(singers), [{"id": 21, "key": 9, "name": "x", "tenant_id": THEIRS}]),
        (insert(singers).from_select(["id", "tenant_id", "key", "name"], select(songs)), None),
        (update(singers).values(tenant_id=THEIRS), None),
        (update(singers), {"tenant_id": THEIRS}),
        (update(singers).values(tenant_id=songs.c.tenant_id), None),
    ],
)
async def test_the_tenant_of_a_row_is_not_for_a_statement_to_say(
    database: Database, statement: Executable, parameters: Any
) -> None:
    """A value that differs from the tenant of the call is a Defect, and nothing is written."""
    with pytest.raises(Defect, match="tenant_id"):
        async with database.transaction(write=True, tenant_id=OURS) as work:
            await work.execute(statement, parameters)


async def test_an_upsert_does_not_open_a_row_of_somebody_else(database: Database) -> None:
    """ON CONFLICT DO UPDATE of a key that is another's changes nothing of theirs; one's own is changed."""
    into = insert_into_sqlite if database.engine == "sqlite" else insert_into_postgresql
    async with database.transaction(write=True, tenant_id=OURS) as work:
        for number in (1, 2):
            statement = into(singers).values(id=number, key=9, name="taken over")
            await work.execute(statement.on_conflict_do_update(index_elements=["id"], set_={"name": "taken over"}))
        names = await rows_of(work.unscoped("to look"), select(singers.c.id, singers.c.name).where(singers.c.id < 3))

    assert names == [(1, "taken over"), (2, "their-2")]


@pytest.mark.parametrize(
    "statement",
    [
        text("SELECT * FROM singers"),
        select(text("name FROM singers")),
        select(singers.c.id).where(text("1 = 1 OR EXISTS (SELECT 1 FROM songs)")),
        select(literal_column("(SELECT max(name) FROM songs)", String)),
        select(singers.c.id).select_from(singers.join(songs, true(), full=True)),
        text("SELECT name FROM singers").columns(singers.c.name),
    ],
)
async def test_what_cannot_be_fenced_is_refused(database: Database, statement: Executable) -> None:
    """SQL as text, wherever it stands, and a FULL JOIN are Defects that say what to write."""
    with pytest.raises(Defect, match=r"unscoped|FULL JOIN"):
        async with database.transaction(tenant_id=OURS) as work:
            await work.execute(statement)


async def test_a_table_in_few_words_is_fenced_by_its_name(database: Database) -> None:
    """Another description of the same table, and in capitals where the engine does not mind, is no way around."""
    few = table("singers", column("id"))
    async with database.transaction(tenant_id=OURS) as work:
        found = await rows_of(work, select(few.c.id))

    assert found == [(1,), (3,), (5,), (7,)]


async def test_without_a_tenant_nothing_is_reached(database: Database) -> None:
    """Statements over tables with tenants are Defects then; those over other tables are not."""
    async with database.transaction() as work:
        assert await work.scalar(select(func.count()).select_from(places)) == 1
        with pytest.raises(Defect, match="as_tenant"):
            await work.execute(select(singers))


async def test_who_says_why_reaches_everything(database: Database) -> None:
    """`unscoped` takes what it is given, within the same transaction, and tells the reason."""
    reasons: list[str] = []
    work = Work(database, write=True, reach=Reach.within(OURS, reasons.append))
    await work.execute(insert(singers).values(id=21, key=9, name="x"))

    found = (await work.unscoped("to count all").execute(text("SELECT count(*) FROM singers"))).scalar()

    await work.rollback()
    assert (found, reasons) == (9, ["to count all"])


async def test_a_reason_has_to_be_said(database: Database) -> None:
    """An empty one is a ValueError."""
    with pytest.raises(ValueError, match="reason"):
        Work(database, write=False).unscoped("")


async def test_a_savepoint_works_within_the_fence(database: Database) -> None:
    """What our own code says as text is no statement of anybody's, on a work and on its unscoped side."""
    work = Work(database, write=True, reach=Reach.within(OURS))
    for side in (work, work.unscoped("to try")):
        await _try_to_clear(side, work)
    left = await work.scalar(select(func.count()).select_from(singers))

    await work.rollback()
    assert left == 4


async def _try_to_clear(side: Work, work: Work) -> None:
    with suppress(KeyError):
        async with side.savepoint():
            await work.execute(delete(singers))
            raise KeyError
