"""Migrations: one line of them, one process at a time, all of a step or nothing, on both engines."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import CheckConstraint, Column, Connection, Integer, MetaData, String, Table, text

from antiphon.core.errors import SetupError
from antiphon.core.info import AppInfo
from antiphon.core.log import Silent
from antiphon.services.database import NAMES, Id, Migrations, Schema, UtcDateTime, migrations_of
from antiphon.services.database.migrations import ADVISORY_LOCK
from antiphon.services.database.revisions import differences, make_revision
from tests.services.database_stage import METADATA, SCHEMA, Lines, engine_of, opened, settings_for

INFO = AppInfo("stage", "1.0.0", "test", Path("var"))
FIRST = 'op.create_table("numbers", sa.Column("id", sa.Integer, primary_key=True), sa.Column("value", sa.Integer))'
FILL = 'op.execute("INSERT INTO numbers (id, value) VALUES (1, 0)")'


def write(folder: Path, name: str, before: str | None, *body: str) -> None:
    """A migration, as a developer writes it."""
    folder.mkdir(exist_ok=True)
    lines = [
        f'"""{name}."""',
        "import time",
        "import sqlalchemy as sa",
        "from alembic import op",
        f"revision = {name!r}",
        f"down_revision = {before!r}",
        "def upgrade():",
        *(f"    {line}" for line in body or ("pass",)),
    ]
    (folder / f"{name}.py").write_text("\n".join(lines), encoding="utf-8")


def migrations(url: str, folder: Path, **settings: object) -> Migrations:
    """The migrations in a folder, on a database."""
    return migrations_of(settings_for(url, **settings), INFO, Schema(MetaData(), folder), Silent())


async def ask(url: str, query: str) -> list[Any]:
    """The first column of what a query finds."""

    def look(connection: Connection) -> list[Any]:
        return [*connection.execute(text(query)).scalars()]

    return await migrations(url, Path()).look(look)


async def tables(url: str) -> list[str]:
    """The tables that are there."""
    queries = {
        "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name",
        "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    }
    return await ask(url, queries[engine_of(url)])


async def test_what_is_pending_runs_once_and_in_order(database_url: str, tmp_path: Path) -> None:
    """The first start runs everything, the second one nothing."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    write(folder, "m0002_fill", "m0001_first", FILL)

    first = await migrations(database_url, folder).run()
    second = await migrations(database_url, folder).run()

    assert (first, second) == (("m0001_first", "m0002_fill"), ())
    assert await migrations(database_url, folder).current() == "m0002_fill"


async def test_opening_the_database_migrates_it(database_url: str) -> None:
    """The service does it at the start, and says so in the log."""
    lines = Lines()
    async with opened(database_url, log=lines):
        pass

    assert lines.events.count("database.migrated") == len(list(SCHEMA.migrations.glob("m*.py")))


async def test_the_migrated_schema_is_that_of_the_tables(database_url: str) -> None:
    """What the migrations make and what the program says its tables are is the same, on both engines."""
    async with opened(database_url):
        pass

    assert await differences(migrations_of(settings_for(database_url), INFO, SCHEMA, Silent())) == []


async def test_a_difference_between_tables_and_migrations_is_found(database_url: str, tmp_path: Path) -> None:
    """A column that no migration makes."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    metadata = MetaData(naming_convention=NAMES)
    Table(
        "numbers", metadata, Column("id", Integer, primary_key=True), Column("value", Integer), Column("more", Integer)
    )
    await migrations(database_url, folder).run()

    found = await differences(migrations_of(settings_for(database_url), INFO, Schema(metadata, folder), Silent()))

    assert len(found) == 1
    assert "more" in found[0]


async def test_nothing_of_a_failed_migration_is_left(database_url: str, tmp_path: Path) -> None:
    """Neither its tables nor its rows, nor the note that it ran; what ran before it stays."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    write(folder, "m0002_broken", "m0001_first", FILL, 'op.create_table("more", sa.Column("id", sa.Integer))', "1 / 0")

    with pytest.raises(SetupError, match="m0002_broken failed"):
        await migrations(database_url, folder).run()

    assert await migrations(database_url, folder).current() == "m0001_first"
    assert await tables(database_url) == ["alembic_version", "numbers"]
    assert await ask(database_url, "SELECT id FROM numbers") == []


async def test_a_migration_that_failed_runs_when_it_is_mended(database_url: str, tmp_path: Path) -> None:
    """Nothing has to be cleared up by hand."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST, "1 / 0")
    with pytest.raises(SetupError):
        await migrations(database_url, folder).run()

    write(folder, "m0001_first", None, FIRST)

    assert await migrations(database_url, folder).run() == ("m0001_first",)


async def test_a_failed_migration_stops_the_start(database_url: str, tmp_path: Path) -> None:
    """The application does not serve on a schema it does not know."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, "op.drop_table('nowhere')")

    with pytest.raises(SetupError, match="m0001_first failed, and nothing of it was kept"):
        async with opened(database_url, schema=Schema(MetaData(), folder)):
            pass


async def test_two_ends_stop_the_start_and_are_named(database_url: str, tmp_path: Path) -> None:
    """Two developers each wrote the second migration: both are named, and what to do."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    write(folder, "m0002_ada", "m0001_first")
    write(folder, "m0002_bob", "m0001_first")

    with pytest.raises(SetupError, match=r"m0002_ada, m0002_bob.*down_revision"):
        await migrations(database_url, folder).run()


async def test_two_migrations_of_one_name_stop_the_start(tmp_path: Path, database_url: str) -> None:
    """Alembic would take one of them and warn."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    (folder / "copy.py").write_text((folder / "m0001_first.py").read_text("utf-8"), encoding="utf-8")

    with pytest.raises(SetupError, match="more than once"):
        await migrations(database_url, folder).run()


async def test_a_database_from_a_newer_program_is_left_alone(database_url: str, tmp_path: Path) -> None:
    """A revision that is not in the folder stops the start with what to do."""
    folder, older = tmp_path / "line", tmp_path / "older"
    for where in (folder, older):
        write(where, "m0001_first", None, FIRST)
    write(folder, "m0002_new", "m0001_first")
    await migrations(database_url, folder).run()

    with pytest.raises(SetupError, match=r"m0002_new, which this program does not know.*m0001_first.*newer"):
        async with opened(database_url, schema=Schema(MetaData(), older)):
            pass


async def test_without_migrating_at_the_start_the_schema_has_to_be_there(database_url: str, tmp_path: Path) -> None:
    """`database.migrate = false` leaves it to the command, and does not serve before that was run."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    schema = Schema(MetaData(), folder)

    with pytest.raises(SetupError, match="m0001_first has to run"):
        async with opened(database_url, schema=schema, migrate=False):
            pass
    await migrations(database_url, folder).run()
    async with opened(database_url, schema=schema, migrate=False):
        pass


async def test_tables_without_any_migration_stop_the_start(database_url: str, tmp_path: Path) -> None:
    """A forgotten `migrate --make` is told at the start and not by the first call."""
    with pytest.raises(SetupError, match="migrate --make"):
        async with opened(database_url, schema=Schema(METADATA, tmp_path / "none")):
            pass


async def test_a_table_with_rows_that_refer_to_it_can_be_rebuilt(database_url: str, tmp_path: Path) -> None:
    """SQLite copies a table to change it; what refers to its rows is neither deleted nor in the way."""
    folder = tmp_path / "line"
    write(
        folder,
        "m0001_first",
        None,
        FIRST,
        FILL,
        'op.create_table("uses", sa.Column("id", sa.Integer, primary_key=True), sa.Column("number", sa.Integer, '
        'sa.ForeignKey("numbers.id", ondelete="CASCADE")))',
        'op.execute("INSERT INTO uses (id, number) VALUES (1, 1)")',
    )
    write(
        folder,
        "m0002_rebuild",
        "m0001_first",
        'with op.batch_alter_table("numbers") as batch:',
        '    batch.alter_column("value", nullable=False, existing_type=sa.Integer)',
    )

    await migrations(database_url, folder).run()

    assert await ask(database_url, "SELECT id FROM uses") == [1]


async def test_rows_that_refer_to_nothing_undo_the_migration(database_url: str, tmp_path: Path) -> None:
    """Foreign keys hold after a migration, also on SQLite, which does not look at them meanwhile."""
    folder = tmp_path / "line"
    write(
        folder,
        "m0001_first",
        None,
        FIRST,
        'op.create_table("uses", sa.Column("id", sa.Integer, primary_key=True), sa.Column("number", sa.Integer, '
        'sa.ForeignKey("numbers.id")))',
    )
    write(folder, "m0002_broken", "m0001_first", 'op.execute("INSERT INTO uses (id, number) VALUES (1, 77)")')

    with pytest.raises(SetupError, match="m0002_broken"):
        await migrations(database_url, folder).run()

    assert await migrations(database_url, folder).current() == "m0001_first"


async def test_processes_that_start_at_once_run_each_migration_once(database_url: str, tmp_path: Path) -> None:
    """They take turns; afterwards they write the same rows at once, and no update is lost."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST, "time.sleep(0.2)")
    write(folder, "m0002_fill", "m0001_first", FILL)
    write(folder, "m0003_more", "m0002_fill", 'op.add_column("numbers", sa.Column("more", sa.Integer))')

    command = (sys.executable, "-m", "tests.services.database_process", database_url, str(folder), "25")
    processes = [
        await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        for _ in range(3)
    ]
    outputs = await asyncio.gather(*(process.communicate() for process in processes))

    assert [err.decode() for _, err in outputs] == [""] * 3
    assert sum(int(out) for out, _ in outputs) == 3
    assert await ask(database_url, "SELECT value FROM numbers") == [75]


async def test_a_start_with_nothing_to_migrate_does_without_alembic(database_url: str, tmp_path: Path) -> None:
    """Importing it is half of what a start costs, so only those who have something to run do it."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    write(folder, "m0002_fill", "m0001_first", FILL)
    command = (sys.executable, "-X", "importtime", "-m", "tests.services.database_process", database_url, str(folder))

    errors: list[str] = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *command, "1", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        errors.append((await process.communicate())[1].decode())

    assert [" alembic" in imported for imported in errors] == [True, False]


async def test_applications_of_one_process_migrate_one_after_the_other(database_url: str, tmp_path: Path) -> None:
    """Alembic has one global for the migration that runs; two applications at once do not mix them up."""
    one, two = tmp_path / "one", tmp_path / "two"
    write(one, "m0001_first", None, FIRST)
    write(two, "m0001_other", None, FIRST.replace("numbers", "others"))
    other_url = f"sqlite:///{tmp_path / 'other.db'}"

    await asyncio.gather(migrations(database_url, one).run(), migrations(other_url, two).run())

    assert await tables(database_url) == ["alembic_version", "numbers"]
    assert await tables(other_url) == ["alembic_version", "others"]


async def test_who_waits_too_long_for_another_process_does_not_start(database_url: str, tmp_path: Path) -> None:
    """The message says what is still to be done."""
    folder = tmp_path / "line"
    write(folder, "m0001_first", None, FIRST)
    async with opened(database_url, schema=Schema(MetaData(), tmp_path / "none")) as database:
        async with database.transaction(write=True) as work:
            await work.execute(text("CREATE TABLE held (id INTEGER)"))
            if engine_of(database_url) == "postgresql":
                await work.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            with pytest.raises(SetupError, match="m0001_first still has to run"):
                await migrations(database_url, folder, migrate_wait=timedelta(seconds=0.3)).run()


async def test_the_next_migration_is_written_from_the_tables(database_url: str, tmp_path: Path) -> None:
    """`make` writes what is missing, the file runs on both engines, and then there is nothing left to write."""
    schema = Schema(METADATA, tmp_path / "made")

    path = await make_revision(schema, "The first tables")
    again = await make_revision(schema, "Nothing")
    async with opened(database_url, schema=schema):
        pass

    assert path == tmp_path / "made" / "m0001_the_first_tables.py"
    assert again is None
    assert await differences(migrations_of(settings_for(database_url), INFO, schema, Silent())) == []


async def test_a_change_of_the_tables_becomes_a_migration(database_url: str, tmp_path: Path) -> None:
    """The second revision knows the first, changes the table on both engines, and names nothing of the program."""
    folder = tmp_path / "made"
    before = MetaData(naming_convention=NAMES)
    Table("things", before, Column("id", Id, primary_key=True), Column("name", String(20)))
    after = MetaData(naming_convention=NAMES)
    Table(
        "things",
        after,
        Column("id", Id, primary_key=True),
        Column("name", String(20), unique=True),
        Column("made_at", UtcDateTime, nullable=True),
    )
    await make_revision(Schema(before, folder), "first")
    async with opened(database_url, schema=Schema(before, folder)):
        pass

    path = await make_revision(Schema(after, folder), "Say when it was made.")
    async with opened(database_url, schema=Schema(after, folder)):
        pass

    assert path is not None
    assert path.name == "m0002_say_when_it_was_made.py"
    assert "antiphon" not in path.read_text("utf-8")
    assert await differences(migrations_of(settings_for(database_url), INFO, Schema(after, folder), Silent())) == []


async def test_a_check_that_would_be_forgotten_is_refused(tmp_path: Path) -> None:
    """Alembic does not see a CHECK inside a column, so it must stand beside the columns."""
    metadata = MetaData(naming_convention=NAMES)
    Table("things", metadata, Column("id", Integer, CheckConstraint("id > 0", name="positive"), primary_key=True))

    with pytest.raises(SetupError, match=r"things\.id"):
        await make_revision(Schema(metadata, tmp_path / "made"), "first")
