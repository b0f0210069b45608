"""`check --deploy` and the database: what it lacks, what it has too much, and a `serve` that refuses to stand on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from antiphon import App, Http, Worker
from antiphon.core.transport import Transport
from tests.transports.check_actions import UNINDEXED, WARNED, changed, tabled
from tests.transports.check_odd import ODD
from tests.transports.test_cli_check import GOOD, check, commands, named

GOOD_TABLE = (
    "CREATE TABLE good (id INTEGER NOT NULL PRIMARY KEY, tenant_id INTEGER NOT NULL {key}, other_id INTEGER {key}, "
    "name VARCHAR(10){unique})"
)
KEY = "REFERENCES tenants (id)"


def good(key: str = KEY, unique: str = "") -> list[str]:
    """Statements that make the table `good` anew, without its promises unless they are named."""
    return [
        "DROP TABLE good",
        GOOD_TABLE.format(key=key, unique=unique),
        "CREATE INDEX ix_good_other_id ON good (other_id)",
    ]


async def migrated(folder: Path, *transports: Transport) -> App:
    """An application whose database is what its tables say."""
    app = tabled(folder, folder / "migrations", *transports)
    await commands(app, folder).command("migrate", "--make", "first")
    assert (await commands(app, folder).command("migrate")).code == 0
    return app


def change(folder: Path, statements: Sequence[str]) -> None:
    """Do to the database what somebody does by hand."""
    with closing(sqlite3.connect(next(folder.rglob("*.db")))) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        for statement in statements:
            connection.execute(statement)
        connection.commit()


@pytest.mark.parametrize(
    ("statements", "level", "about"),
    [
        (["DROP TABLE pairs"], "danger", "pairs"),
        (
            ["DROP TABLE pairs", 'CREATE TABLE pairs ("left" INTEGER NOT NULL PRIMARY KEY)'],
            "danger",
            "pairs.right",
        ),
        (good(), "danger", "good.tenant_id+name"),
        (
            good(key="", unique=", CONSTRAINT uq_good_tenant_id_name UNIQUE (tenant_id, name)"),
            "danger",
            "good.other_id",
        ),
        (
            ["DROP TABLE tenants", "CREATE TABLE tenants (id INTEGER NOT NULL PRIMARY KEY, must INTEGER NOT NULL)"],
            "danger",
            "tenants.must",
        ),
        (["DROP INDEX ix_good_other_id"], "warning", "good.other_id"),
        (["ALTER TABLE tenants ADD COLUMN more INTEGER"], "warning", "tenants.more"),
        (["CREATE TABLE strange (id INTEGER)"], "warning", "strange"),
        (["CREATE INDEX ix_strange ON tenants (id)"], "warning", "tenants.id"),
        (
            ["DROP TABLE tenants", "CREATE TABLE tenants (id VARCHAR(9) NOT NULL PRIMARY KEY)"],
            "warning",
            "tenants.id",
        ),
    ],
    ids=[
        "table",
        "column",
        "unique",
        "foreign key",
        "must be given",
        "index",
        "more columns",
        "more tables",
        "more indexes",
        "type",
    ],
)
async def test_what_separates_the_database_from_the_tables_is_named(
    tmp_path: Path, statements: list[str], level: str, about: str
) -> None:
    """All migrations have run, and somebody has been there since."""
    app = await migrated(tmp_path)
    assert not named(await check(app, tmp_path))
    change(tmp_path, statements)

    command = await check(app, tmp_path)

    assert about in named(command, level)
    assert command.code == (78 if level == "danger" else 0)


async def test_tables_that_no_migration_makes_are_a_danger(tmp_path: Path) -> None:
    """Seen before the migrations have run as well, when the database cannot tell, and when it is away."""
    written = tabled(tmp_path, tmp_path / "migrations")
    await commands(written, tmp_path).command("migrate", "--make", "first")
    app = changed(tmp_path, tmp_path / "migrations")

    behind = await check(app, tmp_path)
    away = await check(app, tmp_path, DATABASE_URL="postgresql://api:kQ7vX2mP9sL4@127.0.0.1:1/api")

    assert [(each.code, named(each)) for each in (behind, away)] == [(78, {"loose"})] * 2
    assert "loose.tenant_id" in named(behind, "warning")


async def test_serve_refuses_a_database_that_lacks_something(tmp_path: Path) -> None:
    """In production nothing listens and no job is taken, and what is missing is named."""
    app = await migrated(tmp_path, Worker())
    change(tmp_path, ["DROP TABLE pairs"])

    refused = [await commands(app, tmp_path).command(name) for name in ("serve", "worker")]

    said = "pairs: The database has no table pairs"
    assert [(each.code, said in each.err) for each in refused] == [(78, True)] * 2


@pytest.mark.parametrize("variable", ["HTTP_HOSTS", "SESSION_COOKIE_SECURE", "LIMITS_ENABLED"])
async def test_serve_names_every_danger_at_once(tmp_path: Path, variable: str) -> None:
    """A setting stands beside what the database lacks."""
    app = await migrated(tmp_path)
    change(tmp_path, ["DROP TABLE pairs"])
    bad = {"HTTP_HOSTS": "", "SESSION_COOKIE_SECURE": "false", "LIMITS_ENABLED": "false"}

    refused = await commands(app, tmp_path, **{**GOOD, **bad}).command("serve")

    assert refused.code == 78
    assert variable in refused.err
    assert "pairs" in refused.err


async def test_routes_that_everybody_may_use_without_end_are_warnings(tmp_path: Path) -> None:
    """So are those that nobody can read about. What costs nothing to answer is not."""
    app = App("odd", modules=["tests.transports.check_odd"], transports=[Http()])

    command = await check(app, tmp_path)

    assert (command.code, named(command, "warning") & {*ODD, "odd:cheap"}) == (0, ODD)


def test_what_is_planted_is_not_what_is_there() -> None:
    """The names that these tests look for are not warned of anyway."""
    assert not {"good.other_id", "tenants.more", "tenants.id", "strange"} & {*WARNED, *UNINDEXED}
