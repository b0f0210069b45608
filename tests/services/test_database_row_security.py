"""The second wall: PostgreSQL itself keeps tenants apart, also where a statement has found a hole in the fence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Executable, bindparam, func, insert, select, text

from antiphon.core.errors import Forbidden, SetupError
from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.services.database import Database, DatabaseSettings, Id, Migrations, Work, migrations_of
from antiphon.services.database.reach import Reach, Rows
from tests.database_roles import as_owner, role, url_as
from tests.services.database_stage import ONLY_POSTGRESQL, opened, settings_for
from tests.services.tenancy_stage import OURS, SCHEMA, THEIRS, places, rows_of, singers

pytestmark = ONLY_POSTGRESQL

TABLES = ["scores", "singers", "songs"]
THE_HOLE = text("SELECT id FROM singers ORDER BY id")


def migrations(url: str, **changes: Any) -> Migrations:
    """The migrations of the stage."""
    return migrations_of(settings_for(url, **changes), AppInfo("stage", "1.0.0", "test", Path("var")), SCHEMA, Silent())


@pytest.fixture
async def plain_url(database_url: str) -> AsyncIterator[str]:
    """The database for a role that no privilege lifts over a policy, and which owns its tables."""
    async with role(database_url) as name:
        await as_owner(database_url, f"GRANT ALL ON SCHEMA public TO {name}")
        yield url_as(database_url, name)


@pytest.fixture
async def database(plain_url: str) -> AsyncIterator[Database]:
    """A database with the wall, and two singers of each tenant."""
    async with opened(plain_url, schema=SCHEMA, row_security=True) as ready:
        async with ready.transaction(write=True) as work:
            anywhere = work.unscoped("the rows of both")
            for number in range(1, 5):
                whose = OURS if number % 2 else THEIRS
                values = {"id": number, "tenant_id": whose, "key": 0, "name": "x"}
                await anywhere.execute(insert(singers).values(values))
        yield ready


async def through_a_hole(work: Work, statement: Executable) -> list[Any]:
    """Run a statement as if the fence had not seen it."""
    database: Any = work._database  # pyright: ignore[reportPrivateUsage]  # a hole is what nobody offers
    fence, database.fence = database.fence, False
    try:
        return [*(await work.execute(statement)).scalars()]
    finally:
        database.fence = fence


async def test_text_that_no_fence_has_seen_reaches_nothing_of_others(database: Database) -> None:
    """SELECT, UPDATE and DELETE as text, with nothing about tenants in them, find one's own rows alone."""
    async with database.transaction(write=True, tenant_id=OURS) as work:
        seen = await through_a_hole(work, THE_HOLE)
        changed = await through_a_hole(work, text("UPDATE singers SET name = 'y' RETURNING id"))
        removed = await through_a_hole(work, text("DELETE FROM singers RETURNING id"))

    async with database.transaction() as work:
        left = await rows_of(work.unscoped("to look"), select(singers.c.id, singers.c.name))
    assert (seen, sorted(changed), sorted(removed)) == ([1, 3], [1, 3], [1, 3])
    assert left == [(2, "x"), (4, "x")]


async def test_text_writes_nothing_for_others(database: Database) -> None:
    """An INSERT, or an UPDATE of `tenant_id`, that says another tenant is refused by the server."""
    for statement in (
        text("INSERT INTO singers (id, tenant_id, key, name) VALUES (9, :theirs, 0, 'x') RETURNING id"),
        text("UPDATE singers SET tenant_id = :theirs RETURNING id"),
    ):
        with pytest.raises(Forbidden):
            await _write(database, statement.bindparams(bindparam("theirs", THEIRS, type_=Id)))

    async with database.transaction() as work:
        theirs = select(func.count()).select_from(singers).where(singers.c.tenant_id == THEIRS)
        assert await work.unscoped("to look").scalar(theirs) == 2


async def _write(database: Database, statement: Executable) -> None:
    async with database.transaction(write=True, tenant_id=OURS) as work:
        await through_a_hole(work, statement)


async def test_without_a_tenant_nothing_is_there(database: Database) -> None:
    """A transaction that has said no tenant sees no row, and tables without tenants as ever."""
    async with database.transaction(write=True) as work:
        assert await through_a_hole(work, THE_HOLE) == []
        assert await work.scalar(select(func.count()).select_from(places)) == 0


async def test_the_wall_follows_the_work(database: Database) -> None:
    """Unscoped statements pass it, the next one of the tenant does not, and a rolled back savepoint changes neither."""
    async with database.transaction(write=True, tenant_id=OURS) as work:
        anywhere = work.unscoped("to look")
        found = [await through_a_hole(work, THE_HOLE), [*(await anywhere.execute(THE_HOLE)).scalars()]]
        with suppress(KeyError):
            async with work.savepoint():
                found.append(await through_a_hole(work, THE_HOLE))
                raise KeyError
        found.append([*(await anywhere.execute(THE_HOLE)).scalars()])
        with suppress(KeyError):
            async with work.savepoint():
                await work.execute(select(singers.c.id))
                raise KeyError
        found.append(await through_a_hole(work, THE_HOLE))

    assert found == [[1, 3], [1, 2, 3, 4], [1, 3], [1, 2, 3, 4], [1, 3]]


async def test_the_wall_follows_the_tenant_of_a_call(database: Database) -> None:
    """Another tenant in the same transaction, and the scope `any`, are said before the next statement."""
    rows = [Rows(OURS)]
    work = Work(database, write=False, reach=Reach(lambda: rows[-1]))
    found = [await through_a_hole(work, THE_HOLE)]
    for following in (Rows(THEIRS), Rows(OURS, everybody=True), Rows("nonsense'"), Rows(OURS)):
        rows.append(following)
        found.append(await through_a_hole(work, THE_HOLE))
    await work.rollback()

    assert found == [[1, 3], [2, 4], [1, 2, 3, 4], [], [1, 3]]


async def test_a_connection_forgets_the_tenant(database: Database, plain_url: str) -> None:
    """What is said holds for a transaction: whoever has the connection next says their own."""
    async with opened(plain_url, schema=SCHEMA, row_security=True, pool=1, overflow=0) as single:
        for tenant_id, seen in ((OURS, [1, 3]), ("", []), (THEIRS, [2, 4])):
            async with single.transaction(tenant_id=tenant_id) as work:
                assert await through_a_hole(work, THE_HOLE) == seen


# How it is raised, and who may not start


async def test_a_superuser_does_not_start(database_url: str) -> None:
    """No policy holds one, and the refusal says as whom to connect. Neither does BYPASSRLS."""
    with pytest.raises(SetupError, match="is a superuser"):
        async with opened(database_url, schema=SCHEMA, row_security=True):
            pass
    async with role(database_url, "BYPASSRLS IN ROLE pg_read_all_data") as name:
        with pytest.raises(SetupError, match=f"{name} has BYPASSRLS"):
            async with opened(url_as(database_url, name), schema=SCHEMA, row_security=True, migrate=False):
                pass


async def test_a_table_without_its_wall_stops_the_start(plain_url: str, database_url: str) -> None:
    """Where somebody else migrates: a missing policy, and an owner whom none holds, are named."""
    await migrations(plain_url).run()
    with pytest.raises(SetupError, match="no policy: scores, singers, songs"):
        async with opened(plain_url, schema=SCHEMA, row_security=True, migrate=False):
            pass
    await migrations(plain_url, row_security=True).run()
    await as_owner(database_url, "ALTER TABLE songs NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(SetupError, match="owns songs"):
        async with opened(plain_url, schema=SCHEMA, row_security=True, migrate=False):
            pass


async def test_whoever_does_not_own_the_tables_is_held_as_well(database_url: str) -> None:
    """One role migrates, be it a superuser, and another one runs the application."""
    await migrations(database_url, row_security=True).run()
    async with role(database_url) as name:
        await as_owner(database_url, f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
        async with opened(url_as(database_url, name), schema=SCHEMA, row_security=True, migrate=False) as app:
            async with app.transaction(write=True, tenant_id=THEIRS) as work:
                await work.execute(insert(singers).values(id=1, key=0, name="x"))
            async with app.transaction(tenant_id=OURS) as work:
                assert await through_a_hole(work, THE_HOLE) == []


async def test_migrating_again_changes_nothing(plain_url: str, database_url: str) -> None:
    """Policies are made once; without the setting the command removes them, and every row is seen again."""
    policies = "SELECT tablename FROM pg_policies ORDER BY 1"
    made: list[list[Any]] = []
    for _ in range(2):
        await migrations(plain_url, row_security=True).run()
        made.append(await as_owner(database_url, policies))
    cleared = await migrations(plain_url).clear_walls()

    assert made == [TABLES, TABLES]
    assert sorted(cleared) == TABLES
    assert await as_owner(database_url, policies) == []
    forced = "SELECT relname FROM pg_class WHERE relrowsecurity OR relforcerowsecurity"
    assert await as_owner(database_url, forced) == []


async def test_a_migration_reaches_every_row(plain_url: str, database: Database) -> None:
    """Policies hold the owner of a table, who migrates it: what a migration changes, it changes for everybody."""
    later = migrations(plain_url, row_security=True)
    async with later._connected() as connection, later._locked(connection):  # pyright: ignore[reportPrivateUsage]  # as a migration runs
        changed = (await connection.execute(text("UPDATE singers SET name = 'y'"))).rowcount

    assert changed == 4


async def test_without_the_setting_nothing_is_said(database_url: str) -> None:
    """It is off by default: no policy, and not a word about tenants in any transaction."""
    assert DatabaseSettings().row_security is False
    async with opened(database_url, schema=SCHEMA) as plain, plain.transaction(tenant_id=OURS) as work:
        said = await through_a_hole(work, text("SELECT coalesce(current_setting('antiphon.tenant', true), 'nothing')"))

    assert said == ["nothing"]
    assert await as_owner(database_url, "SELECT tablename FROM pg_policies") == []


def test_sqlite_has_no_such_wall(database_server: object) -> None:
    """The setting is a fault there, and says what to do."""
    wanted = msgspec.structs.replace(DatabaseSettings(), row_security=True)

    assert [fault.name for fault in wanted.problems("production")] == ["row_security"]
