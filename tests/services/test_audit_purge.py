"""How the audit log ends at its beginning: the purge, what the database refuses, and that the chain goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Executable, delete, func, select, text, update

from antiphon import (
    App,
    Audit,
    Conflict,
    Context,
    Database,
    Defect,
    InvalidInput,
    Module,
    Work,
    action,
    allow,
    anyone,
    audit_guard,
    only,
    post,
    purge_audit,
)
from antiphon.services.audit.tables import audit_end, audit_log
from antiphon.testing.app import TestApp
from antiphon.testing.clock import StandingClock
from tests.database_roles import as_owner, role, url_as
from tests.services.audit_stage import (
    ADA,
    SCHEMA,
    audit_postgres,
    audit_sqlite,
    database_of,
    database_template,
    rows,
    tamper,
    walk,
)
from tests.services.database_stage import ONLY_POSTGRESQL

__all__ = ["audit_postgres", "audit_sqlite", "database_template"]

module = Module(__name__, needs=[Audit, Database])


@action("thing:do", post("/thing"), allow(anyone))
async def do_thing(ctx: Context, thing: str) -> None:
    """Do a thing."""
    ctx.get(Audit).record(thing)


@action("log:purge", only("cli"), allow(anyone))
async def purge(ctx: Context, days: int, at_once: int = 100) -> int:
    """Purge what is older than so many days."""
    return await purge_audit(ctx, ctx.now - timedelta(days=days), at_once=at_once)


@pytest.fixture
def clock() -> StandingClock:
    """A clock that the test moves."""
    return StandingClock()


@pytest.fixture
async def app(tmp_path: Path, database_url: str, clock: StandingClock) -> AsyncIterator[TestApp]:
    """An application with five rows, one a day."""
    stage = App("stage", modules=[module], values=[SCHEMA])
    environ = {"DATABASE_URL": database_url}
    async with TestApp.start(stage, tmp_path, environ, listen=False, clock=clock) as running:
        for number in range(5):
            await running.call_as(ADA, do_thing, f"lamp {number}")
            clock.move(timedelta(days=1))
        yield running


async def test_what_is_old_goes_and_the_rest_is_still_a_chain(app: TestApp) -> None:
    """The walk begins with the first row that is left, and the purge has recorded itself behind the last."""
    gone = await app.call(purge, 3)

    left = [(row.seq, row.action, row.object, row.outcome) for row in await rows(app)]
    found = await walk(app)
    assert gone == 2
    assert [seq for seq, *_ in left] == [3, 4, 5, 6]
    assert left[-1][1:] == ("log:purge", "2 rows, to 2", "purged")
    assert (found.intact, found.rows, found.broken_at) == (True, 4, None)


async def test_a_purge_goes_in_steps(app: TestApp) -> None:
    """So many rows in one transaction, so that nobody waits long; each step records itself."""
    gone = await app.call(purge, 1, at_once=2)

    found = await walk(app)
    assert gone == 4
    assert [row.object for row in await rows(app)] == ["lamp 4", "2 rows, to 2", "2 rows, to 4"]
    assert (found.intact, found.rows) == (True, 3)


async def test_a_log_that_is_all_old_leaves_the_record_of_its_purge(app: TestApp, clock: StandingClock) -> None:
    """The chain goes on behind what is gone."""
    clock.move(timedelta(days=400))

    gone = await app.call(purge, 400)
    await app.call_as(ADA, do_thing, "chair")

    found = await walk(app)
    assert gone == 5
    assert [row.object for row in await rows(app)] == ["5 rows, to 5", "chair"]
    assert (found.intact, found.rows) == (True, 2)


async def test_a_hash_of_what_was_purged_proves_nothing(app: TestApp) -> None:
    """It is refused, and never taken for one that fits; that of the last row that is gone still has to fit."""
    walked = [await walk(app, most=rows) for rows in (1, 2)]
    await app.call(purge, 3)

    with pytest.raises(InvalidInput) as refused:
        await walk(app, after=walked[0].seq, after_hash=walked[0].hash)
    fitting = await walk(app, after=walked[1].seq, after_hash=walked[1].hash)
    other = await walk(app, after=walked[1].seq, after_hash="f" * 64)

    assert refused.value.fields[0].message == "was purged, with its hash: the log begins with row 3"
    assert (fitting.intact, fitting.rows, other.intact) == (True, 4, False)


async def test_a_hash_of_a_log_that_is_gone_does_not_fit(app: TestApp) -> None:
    """Whoever empties the tables, ends and all, is found by it."""
    first = await walk(app)
    await tamper(app, delete(audit_log), delete(audit_end))

    assert first.intact
    assert not (await walk(app, after=first.seq, after_hash=first.hash)).intact


async def test_nothing_is_purged_that_is_young(app: TestApp) -> None:
    """And nothing is recorded of that."""
    assert await app.call(purge, 30) == 0
    assert [row.object for row in await rows(app)] == [f"lamp {number}" for number in range(5)]


REFUSED = [
    update(audit_log).values(object="x"),
    update(audit_log).where(audit_log.c.seq == 5).values(outcome="x"),
    delete(audit_log),
    delete(audit_log).where(audit_log.c.seq == 1),
    update(audit_end).values(seq=4),
    update(audit_end).values(first_seq=7),
    delete(audit_end),
]


async def refused(app: TestApp, statement: Executable) -> bool:
    """Whether the database refuses a statement."""
    try:
        async with database_of(app).transaction(write=True) as work:
            await work.execute(statement)
    except (Conflict, Defect):
        return True
    return False


async def test_the_database_refuses_to_change_the_log(app: TestApp) -> None:
    """No row is changed, none is deleted, and no end of the chain goes back, whoever the application is asked by."""
    done = [str(statement) for statement in REFUSED if not await refused(app, statement)]

    assert done == []
    assert (await walk(app)).rows == 5


@ONLY_POSTGRESQL
async def test_postgresql_refuses_to_empty_the_log(app: TestApp) -> None:
    """TRUNCATE asks no row, and is refused as a whole."""
    done = [table for table in ("audit_log", "audit_end") if not await refused(app, text(f"TRUNCATE {table}"))]

    assert done == []
    assert (await walk(app)).rows == 5


async def test_a_purge_that_is_undone_leaves_the_guard_as_it_was(app: TestApp) -> None:
    """What the purge may delete it may delete in its own transaction only."""
    work = Work(database_of(app), write=True)
    await work.execute(update(audit_end).values(first_seq=3))
    await work.execute(delete(audit_log).where(audit_log.c.seq < 3))
    await work.rollback()

    found = await walk(app)
    assert (found.intact, found.rows) == (True, 5)


@ONLY_POSTGRESQL
async def test_the_owner_lends_itself_the_right_to_delete(app: TestApp, database_url: str, tmp_path: Path) -> None:
    """An application that owns the table, and is no superuser, purges; before and after it may not even try."""
    async with role(database_url) as name:
        own = [f"ALTER TABLE {table} OWNER TO {name}" for table in ("audit_log", "audit_end", "alembic_version")]
        await as_owner(database_url, *own, f"REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM {name}")
        environ = {"DATABASE_URL": url_as(database_url, name)}
        stage = App("stage", modules=[module], values=[SCHEMA])
        async with TestApp.start(stage, tmp_path, environ, listen=False, clock=app.app.clock) as owned:
            gone = await owned.call(purge, 3)
            async with database_of(owned).transaction() as work:
                may = await work.scalar(select(func.has_table_privilege("audit_log", "DELETE")))
                who = await work.scalar(select(func.current_user()))

    assert (who, gone, may) == (name, 2, False)
    assert (await walk(app)).intact


def test_the_guard_is_written_once() -> None:
    """What a migration has written is what every later one finds: the lists do not change."""
    assert {engine: len(audit_guard(engine)) for engine in ("sqlite", "postgresql")} == {"sqlite": 4, "postgresql": 6}
