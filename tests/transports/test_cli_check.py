"""`check --deploy`: every weakness is named at once, and a good setting passes."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import pytest

from antiphon import App, Http, SetupError, anyone
from antiphon.testing.app import BASE, Command, Commands, TestApp
from antiphon.testing.engines import PostgresDatabases
from olympus.app import app as olympus
from tests.transports.check_actions import UNINDEXED, WARNED, plain, tabled

GOOD = {
    "ANTIPHON_ENV": "production",
    "HTTP_HOSTS": "api.example.com",
    "HTTP_TRUSTED_PROXIES": "10.0.0.0/8",
    "SESSION_COOKIE_SECURE": "true",
    "LIMITS_SCALE": "1",
    "LOG_LEVEL": "info",
    "REDIS_URL": "rediss://api:kQ7vX2mP9sL4@store.example.com",
}


def commands(app: App, folder: Path, **environ: str) -> Commands:
    """The command line of an application in production, with these settings over good ones."""
    return TestApp.commands(app, folder, {**GOOD, **environ})


async def check(app: App, folder: Path, **environ: str) -> Command:
    """Run `check --deploy`."""
    return await commands(app, folder, **environ).command("check", "--deploy", "--output", "json")


def named(command: Command, level: str = "danger") -> set[str]:
    """What is found on this level: settings without where they come from."""
    return {each["about"].split(" ")[0] for each in command.result["findings"] if each["level"] == level}


# A good setting


async def test_a_good_setting_passes(tmp_path: Path) -> None:
    """With nothing to mend the command ends with 0 and says so."""
    command = await commands(App("bare"), tmp_path).command("check", "--deploy", "--output", "table")

    assert (command.code, command.out, command.err) == (
        0,
        "nothing to mend: 0 dangers, 0 unknown, 0 warnings (production)\n",
        "",
    )


async def test_olympus_passes_with_good_settings(tmp_path: Path, postgres: PostgresDatabases) -> None:
    """Olympus on PostgreSQL and a store, migrated, has no danger."""
    url = await postgres.create_database()
    environ = {"DATABASE_URL": url, "IDENTITY_SECRET": secrets.token_urlsafe(48)}
    try:
        migrated = await commands(olympus, tmp_path, **environ).command("migrate")
        command = await check(olympus, tmp_path, **environ)
    finally:
        await postgres.drop_database(url)

    assert migrated.code == 0, migrated.err
    assert (command.code, named(command), named(command, "unknown")) == (0, set(), set())


# Settings


@pytest.mark.parametrize(
    ("variable", "value", "about"),
    [
        ("SESSION_COOKIE_SECURE", "false", "session.cookie_secure"),
        ("LIMITS_ENABLED", "false", "limits.enabled"),
        ("HTTP_HOSTS", "", "http.hosts"),
        ("HTTP_HOSTS", "not a host", "http.hosts"),
        ("HTTP_TRUSTED_PROXIES", "0.0.0.0/0", "http.trusted_proxies"),
        ("HTTP_TRUSTED_PROXIES", "::/0", "http.trusted_proxies"),
        ("HTTP_TRUSTED_PROXIES", "nonsense", "http.trusted_proxies"),
        ("HTTP_METRICS_TOKEN", "short", "http.metrics_token"),
        ("HTTP_TLS_CERTIFICATE", "nowhere.pem", "http.tls_certificate"),
        ("HTTP_PORT", "many", "http.port"),
        ("HTTP_HOST_", "x", "HTTP_HOST_"),
        ("IDENTITY_SECRET", "", "identity.secret"),
        ("IDENTITY_SECRET", "changeme", "identity.secret"),
        ("IDENTITY_SECRET", "short0123456789", "identity.secret"),
        ("DATABASE_URL", "postgresql://api:api@db.example.com/api", "database.url"),
        ("DATABASE_URL", "postgresql://api:password@db.example.com/api", "database.url"),
        ("REDIS_URL", "rediss://:changeme@store.example.com", "redis.url"),
    ],
)
async def test_a_dangerous_setting_is_named(tmp_path: Path, variable: str, value: str, about: str) -> None:
    """It ends the command with 78, and nothing else is called dangerous; its value is not told."""
    unreachable = f"postgresql://api:{secrets.token_hex(8)}@127.0.0.1:1/api"
    environ = {"DATABASE_URL": unreachable, "IDENTITY_SECRET": secrets.token_urlsafe(48), variable: value}

    command = await check(olympus, tmp_path, **environ)

    assert (command.code, named(command)) == (78, {about})
    if "@" in value:
        assert value not in command.out


@pytest.mark.parametrize(
    ("variable", "value", "about"),
    [
        ("ANTIPHON_ENV", "development", "ANTIPHON_ENV"),
        ("HTTP_HOSTS", "*", "http.hosts"),
        ("HTTP_ORIGINS", "*", "http.origins"),
        ("HTTP_ORIGINS", "http://app.example.com", "http.origins"),
        ("HTTP_TRUSTED_PROXIES", "", "http.trusted_proxies"),
        ("LOG_LEVEL", "debug", "log.level"),
        ("LIMITS_SCALE", "1000", "limits.scale"),
        ("MAIL_PASSWORD", "kQ7vX2mP9sL4", "mail.password"),
        ("REDIS_URL", "", "redis.url"),
        ("REDIS_URL", "redis://:kQ7vX2mP9sL4@store.example.com", "redis.url"),
        ("REDIS_URL", "rediss://store.example.com", "redis.url"),
    ],
)
async def test_a_doubtful_setting_is_a_warning(tmp_path: Path, variable: str, value: str, about: str) -> None:
    """It is named, and the command ends with 0: the application starts with it."""
    command = await check(plain(tmp_path), tmp_path, **{variable: value})

    assert command.code == 0
    assert named(command, "warning") - WARNED == {about}


@pytest.mark.parametrize("page", ["docs", "metrics"])
async def test_a_page_that_is_open_to_everybody_is_a_warning(tmp_path: Path, page: str) -> None:
    """Documentation and counters that are on, with the rule `anyone`, are named."""
    rules: dict[str, Any] = {page: anyone}
    app = App("bare", transports=[Http(**rules)])

    command = await check(app, tmp_path, **{f"HTTP_{page.upper()}": "true"})

    assert (command.code, named(command, "warning")) == (0, {f"http.{page}"})


@pytest.mark.parametrize("page", ["docs", "metrics"])
async def test_a_page_that_nobody_could_see_is_a_danger(tmp_path: Path, page: str) -> None:
    """Switched on for admins where nobody signs in, it would stop the start."""
    command = await check(App("bare"), tmp_path, **{f"HTTP_{page.upper()}": "true"})

    assert (command.code, named(command)) == (78, {f"http.{page}"})


async def test_everything_is_named_at_once(tmp_path: Path) -> None:
    """Dangers of several sections, unreadable ones among them, stand beside warnings, open actions and tables."""
    command = await check(
        tabled(tmp_path, tmp_path / "migrations"),
        tmp_path,
        HTTP_HOSTS="",
        HTTP_METRICS_TOKEN="changeme",
        SESSION_COOKIE_SECURE="false",
        LIMITS_USER="many",
        LOG_LEVEL="debug",
    )

    dangers = {"http.hosts", "http.metrics_token", "session.cookie_secure", "limits.user", "migrations"}
    assert (command.code, named(command)) == (78, dangers)
    assert named(command, "warning") >= {"log.level", *WARNED, *UNINDEXED}
    assert command.result["dangers"] == len(dangers)


async def test_serve_refuses_what_the_check_calls_dangerous(tmp_path: Path) -> None:
    """The start names the same dangerous settings at once."""
    bad = {"HTTP_HOSTS": "", "HTTP_TRUSTED_PROXIES": "::/0", "LIMITS_ENABLED": "false", "REDIS_URL": "redis://a:a@b"}

    with pytest.raises(SetupError) as refusal:
        await plain(tmp_path).start(environ={**BASE, **GOOD, **bad})

    told = {problem.split(" ")[0] for problem in refusal.value.problems}
    assert told == {"http.hosts", "http.trusted_proxies", "limits.enabled", "redis.url"}


# Actions


async def test_open_actions_without_a_limit_are_warnings(tmp_path: Path) -> None:
    """Everybody may, it changes something, and no limit refuses: named. One that reads, or stays inside, is not."""
    command = await check(plain(tmp_path), tmp_path)

    assert (command.code, named(command, "warning")) == (0, WARNED)


async def test_a_program_that_cannot_be_read_is_a_danger(tmp_path: Path) -> None:
    """What would stop the start whatever the settings are is named as well."""
    command = await check(App("broken", modules=["tests.transports.check_unruled"]), tmp_path)

    assert (command.code, named(command)) == (78, {"broken"})


# The database


async def test_columns_without_an_index_are_warnings(tmp_path: Path) -> None:
    """Foreign keys and `tenant_id` that no index of all rows begins with are named."""
    app = tabled(tmp_path, tmp_path / "migrations")
    await commands(app, tmp_path).command("migrate", "--make", "first")

    command = await check(app, tmp_path)

    assert named(command, "warning") - WARNED == {*UNINDEXED, "database.url", "migrations"}


async def test_migrations_that_have_not_run_are_named(tmp_path: Path) -> None:
    """A warning where the start runs them, a danger where it does not; nothing once they have run."""
    app = tabled(tmp_path, tmp_path / "migrations")
    await commands(app, tmp_path).command("migrate", "--make", "first")

    before = await check(app, tmp_path)
    refused = await check(app, tmp_path, DATABASE_MIGRATE="false")
    made = [*tmp_path.rglob("*.db")]
    await commands(app, tmp_path).command("migrate")
    after = await check(app, tmp_path, DATABASE_MIGRATE="false")

    assert "migrations" in named(before, "warning")
    assert (refused.code, named(refused)) == (78, {"migrations"})
    assert made == []
    assert (after.code, "migrations" in named(after, "warning")) == (0, False)


async def test_a_database_of_a_newer_program_is_a_danger(tmp_path: Path) -> None:
    """What has run there and is not known here is told."""
    newer, older = tabled(tmp_path, tmp_path / "migrations"), tabled(tmp_path, tmp_path / "older")
    await commands(newer, tmp_path).command("migrate", "--make", "first")
    await commands(newer, tmp_path).command("migrate")
    await commands(older, tmp_path).command("migrate", "--make", "another beginning")

    command = await check(older, tmp_path)

    assert (command.code, named(command)) == (78, {"migrations"})


async def test_tables_without_a_migration_are_a_danger(tmp_path: Path) -> None:
    """The start would refuse them."""
    command = await check(tabled(tmp_path, tmp_path / "migrations"), tmp_path)

    assert (command.code, named(command)) == (78, {"migrations"})


async def test_a_database_that_is_away_is_said_so(tmp_path: Path) -> None:
    """Whether its migrations have run is unknown, which is no danger."""
    app = tabled(tmp_path, tmp_path / "migrations")
    await commands(app, tmp_path).command("migrate", "--make", "first")

    command = await check(app, tmp_path, DATABASE_URL="postgresql://api:kQ7vX2mP9sL4@127.0.0.1:1/api")

    assert (command.code, named(command, "unknown")) == (0, {"migrations"})
    assert "kQ7vX2mP9sL4" not in command.out


# How it is told


async def test_without_deploy_the_environment_is_read_as_it_is(tmp_path: Path) -> None:
    """`check` alone refuses nothing that this environment may do."""
    loose = TestApp.commands(App("bare"), tmp_path)

    command = await loose.command("check", "--output", "json")

    assert (command.code, command.result["environment"], named(command)) == (0, "test", set())


async def test_a_person_sees_a_table(tmp_path: Path) -> None:
    """One row for each finding, the dangers first, and how many there are."""
    command = await commands(plain(tmp_path), tmp_path, HTTP_HOSTS="").command("check", "--deploy", "--output", "table")

    lines = command.out.splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["danger", "warning", "warning"]
    assert lines[-1] == "1 danger, 0 unknown, 2 warnings (production)"
