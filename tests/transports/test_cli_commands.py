"""The commands of a whole application: migrations, acting as somebody, a server beside it, and `antiphon` itself."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table

from antiphon import NAMES, App, Database, Module, Schema, SetupError
from antiphon.modules.accounts.tenants import create_tenant
from antiphon.testing.app import HOST, HttpClient, TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from antiphon.transports.cli.places import load, split_place
from olympus import migrations
from olympus.app import app
from tests.olympus_stage import PASSWORD, Olympus, olympus_on
from tests.transports import cli_actions
from tests.transports.terminal import environment

OLYMPUS = "from olympus.app import main; main()"
ANTIPHON = "from antiphon.transports.cli.program import main; main()"


async def run(folder: Path, environ: dict[str, str], *words: str) -> tuple[int | None, str, str]:
    """Run `python -c words…` to its end; gives exit code, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", *words),
        cwd=folder,
        env=environment(environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


# Migrations


async def test_migrate_brings_the_schema_up_to_date_once(database_url: str, tmp_path: Path) -> None:
    """`migrate` runs what is pending and names it; a second time there is nothing to do."""
    tried = TestApp.commands(app, tmp_path, {"DATABASE_URL": database_url})

    first = await tried.command("migrate")
    second = await tried.command("migrate")

    there = sorted(path.stem for path in Path(migrations.__file__).parent.glob("m*.py"))
    assert (first.code, first.out.splitlines()) == (0, [f"ran {name}" for name in there])
    assert (second.code, second.out) == (0, "nothing to do: the schema is up to date\n")


async def test_migrate_make_writes_the_next_migration(tmp_path: Path) -> None:
    """`migrate --make` writes what separates the tables from the migrations, and nothing when nothing does."""
    metadata = MetaData(naming_convention=NAMES)
    Table("things", metadata, Column("id", Integer, primary_key=True))
    module = Module(cli_actions.__name__, needs=[Database])
    things = App("things", modules=[module], values=[Schema(metadata, tmp_path / "migrations")])
    tried = TestApp.commands(things, tmp_path)

    made = await tried.command("migrate", "--make", "the first tables")
    again = await tried.command("migrate", "--make", "nothing")
    ran = await tried.command("migrate")

    assert made.out == f"wrote {tmp_path / 'migrations' / 'm0001_the_first_tables.py'}\n"
    assert again.out == "nothing to do: the tables are what the migrations make\n"
    assert ran.out == "ran m0001_the_first_tables\n"


async def test_migrate_needs_no_action_that_uses_the_database(tmp_path: Path) -> None:
    """Tables are written first: `migrate` works for an application that has a schema and nothing on it yet."""
    metadata = MetaData(naming_convention=NAMES)
    Table("things", metadata, Column("id", Integer, primary_key=True))
    tried = TestApp.commands(App("things", values=[Schema(metadata, tmp_path / "migrations")]), tmp_path)

    made = await tried.command("migrate", "--make", "the first tables")
    ran = await tried.command("migrate")

    assert made.out.startswith("wrote ")
    assert ran.out == "ran m0001_the_first_tables\n"


async def test_olympus_needs_no_further_migration(tmp_path: Path) -> None:
    """The migrations of Olympus make exactly the tables that its code has."""
    made = await TestApp.commands(app, tmp_path).command("migrate", "--make", "whatever is missing")

    assert made.out == "nothing to do: the tables are what the migrations make\n"


async def test_migrate_without_a_database_says_what_to_write(tmp_path: Path) -> None:
    """`migrate` of an application without tables ends with 78 and the line to add."""
    command = await TestApp.commands(App("bare"), tmp_path).command("migrate")

    assert command.code == 78
    assert "App(values=[Schema(" in command.err


# Acting as somebody


@pytest.fixture
async def olympus(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncGenerator[Olympus]:
    """Olympus on SQLite."""
    async with olympus_on(tmp_path, f"sqlite:///{tmp_path / 'test.db'}", valkey.url, store_prefix) as running:
        yield running


async def test_a_command_acts_as_a_user_by_id_or_email(olympus: Olympus) -> None:
    """`--as` takes an id or an email, in whatever case; what is made belongs to that user."""
    ada = await olympus.person("Ada")

    for who in (ada.id, ada.email, ada.email.upper()):
        command = await olympus.running.command("message:create", "--body", "hello", "--as", who)
        assert command.result["userId"] == ada.id


async def test_a_command_cannot_act_as_nobody(olympus: Olympus) -> None:
    """`--as` somebody who is not there ends with 5."""
    command = await olympus.running.command("messages:list", "--as", "nobody@example.com", "--output", "json")

    assert (command.code, command.error["type"]) == (5, "NOT_FOUND")


async def test_rules_hold_for_whom_one_acts_as(olympus: Olympus) -> None:
    """`--as` a user has the user's rights, and no more."""
    ada, hera = await olympus.person("Ada"), await olympus.admin()

    refused = await olympus.running.command("messages:hello", "--as", ada.id, "--output", "json")
    answered = await olympus.running.command("messages:hello", "--as", hera.id)

    assert (refused.code, refused.error["type"]) == (4, "FORBIDDEN")
    assert answered.result["userName"] == "Olympus"


async def test_the_first_admin_is_made_by_the_system(olympus: Olympus) -> None:
    """`role:grant --as system` makes the first admin: there is no account that is there by itself."""
    ada = await olympus.person("Ada", signed_in=False)

    command = await olympus.running.command("role:grant", "--user-id", ada.id, "--role", "admin", "--as", "system")

    assert command.result == {"userId": ada.id, "roles": ["admin"]}


async def test_the_system_acts_within_the_tenant_it_is_told(olympus: Olympus) -> None:
    """`--as system --tenant` takes an id or a name, and what is made belongs to that tenant alone."""
    tenant = await olympus.running.call(create_tenant, "muses")
    eve = await olympus.person("Eve")
    await olympus.move(eve, tenant.id)

    for which in (tenant.id, "muses"):
        posted = await olympus.running.command("message:create", "--body", which, "--as", "system", "--tenant", which)
        assert posted.code == 0, posted.err

    theirs = await olympus.running.command("messages:list", "--as", eve.id)
    at_home = await olympus.running.command("messages:list", "--as", "system")
    shown = [(message["body"], message["userName"]) for message in theirs.result["messages"]]
    assert shown == [("muses", "Olympus"), (tenant.id, "Olympus")]
    assert at_home.result["messages"] == []


async def test_a_tenant_that_one_may_not_enter_is_not_there(olympus: Olympus) -> None:
    """Nobody enters another tenant than their own without the right to; it looks like one that does not exist."""
    await olympus.running.call(create_tenant, "muses")
    ada, hera = await olympus.person("Ada"), await olympus.admin()
    words = ("messages:list", "--output", "json")

    refused = [
        await olympus.running.command(*words, "--as", who, "--tenant", which)
        for who, which in ((ada.id, "muses"), (hera.id, "muses"), (ada.id, "nowhere"), ("system", "nowhere"))
    ]
    nobody = await olympus.running.command(*words, "--tenant", "muses")
    own = await olympus.running.command(*words, "--as", ada.id, "--tenant", "default")

    assert {(each.code, each.error["type"], each.error["message"]) for each in refused} == {
        (5, "NOT_FOUND", "Not found.")
    }
    assert (nobody.code, own.code) == (3, 0)


async def test_who_may_do_it_anywhere_enters_any_tenant(olympus: Olympus) -> None:
    """A right with the scope `any` is the right to say where; that it was said is in the log."""
    await olympus.running.call(create_tenant, "muses")
    hera = await olympus.admin()

    entered = await olympus.running.command("roles:list", "--as", hera.id, "--tenant", "muses")
    owner = await olympus.holder("owner", "Iris")
    refused = await olympus.running.command("roles:list", "--as", owner.id, "--tenant", "muses", "--output", "json")

    assert entered.code == 0
    assert '"tenant":"muses"' in entered.err.replace(" ", "")
    assert (refused.code, refused.error["type"]) == (5, "NOT_FOUND")


# Beside a server

SERVED = {
    "HTTP_PORT": "0",
    "SESSION_COOKIE_SECURE": "false",
    "LOG_LEVEL": "warning",
    # A minute that ends during a test must not post a greeting into it.
    "WORKER_SCHEDULES": "false",
}


@asynccontextmanager
async def served(folder: Path, *words: str) -> AsyncGenerator[tuple[HttpClient, list[str]]]:
    """A server process on a free port of its own, with everything embedded; gives a client and what it greets with."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", *words),
        cwd=folder,
        env=environment(SERVED),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        async with asyncio.timeout(30):
            while not any("http://" in line for line in said):
                line = await process.stderr.readline()
                assert line, said
                said.append(line.decode())
        port = (
            next(line for line in said if "http://" in line).split("http://")[1].split("/")[0].split(":")[1].split()[0]
        )
        yield HttpClient(int(port)), said
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        _, rest = await process.communicate()
        said += rest.decode().splitlines(keepends=True)
        assert process.returncode == 0, said


async def test_a_command_works_beside_a_server_on_the_same_folder(tmp_path: Path) -> None:
    """A command uses the stores of the server that runs on the same folder, and leaves them running."""
    async with served(tmp_path, OLYMPUS, "serve") as (client, _):
        await client.put("/api/user", {"name": "Ada", "email": "ada@example.com", "password": PASSWORD})
        await client.put("/api/session", {"email": "ada@example.com", "password": PASSWORD})

        posted = await run(tmp_path, {}, OLYMPUS, "message:create", "--body", "hi", "--as", "ada@example.com")

        assert posted[0] == 0, posted[2]
        listed = (await client.get("/api/messages/list")).json["messages"]
        assert listed == [json.loads(posted[1])]


async def test_the_server_says_where_it_is_and_on_what(tmp_path: Path) -> None:
    """`serve` prints the addresses, the engines in use, and how to switch; and that cookies go over plain http."""
    async with served(tmp_path, OLYMPUS, "serve") as (client, said):
        await wait_until((tmp_path / "var").exists, "the folder was never made")
        assert (await client.get("/healthz")).status == 200

    text = "".join(said)
    for part in (f"http://localhost:{client.port}", "/docs", "SQLite", "DATABASE_URL", "Valkey", "REDIS_URL"):
        assert part in text, (part, text)
    assert "SESSION_COOKIE_SECURE" in text


# antiphon


@pytest.mark.parametrize(
    ("arguments", "place", "rest"),
    [
        (["--app", "a.b:app", "user:create", "--name", "x"], "a.b:app", ["user:create", "--name", "x"]),
        (["--app=b:main", "actions"], "b:main", ["actions"]),
        (["serve", "a.b:app"], "a.b:app", ["serve"]),
        (["migrate", "a.b:app", "--make", "x"], "a.b:app", ["migrate", "--make", "x"]),
        (["a.b:app", "actions"], "a.b:app", ["actions"]),
        (["a:app", "user:create"], "a:app", ["user:create"]),
    ],
)
def test_antiphon_is_told_which_application(arguments: list[str], place: str, rest: list[str]) -> None:
    """`antiphon` takes the application after `--app`, after a command of its own, or first."""
    assert split_place(arguments) == (place, rest)


@pytest.mark.parametrize("arguments", [[], ["serve"], ["--app"], ["actions", "--output", "json"]])
def test_antiphon_without_an_application_says_how(arguments: list[str]) -> None:
    """Without an application there is a SetupError that shows what to write."""
    with pytest.raises(SetupError, match=r"antiphon serve package\.module:app"):
        split_place(arguments)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("olympus.nothing:app", "There is no module olympus.nothing"),
        ("nothing_here:app", "There is no module nothing_here"),
        ("olympus.app:nothing", "is no application"),
        ("olympus.app:main", "is no application"),
    ],
)
def test_a_place_without_an_application_is_named(place: str, message: str) -> None:
    """A module that is not there, or a name that is no application, is a SetupError that says so."""
    with pytest.raises(SetupError, match=message):
        load(place)


async def test_antiphon_runs_the_commands_of_an_application(tmp_path: Path) -> None:
    """`antiphon --app package.module:app COMMAND` is the command line of that application."""
    code, out, err = await run(tmp_path, {}, ANTIPHON, "--app", "olympus.app:app", "actions", "--output", "json")

    assert (code, err) == (0, "")
    assert "user:create" in [row["action"] for row in json.loads(out)]


async def test_antiphon_serves_an_application(tmp_path: Path) -> None:
    """`antiphon serve package.module:app` serves it."""
    async with served(tmp_path, ANTIPHON, "serve", "olympus.app:app") as (client, _):
        assert (await client.get("/readyz")).status == 200


async def test_antiphon_ends_with_78_when_there_is_no_such_application(tmp_path: Path) -> None:
    """An application that is not there ends `antiphon` with 78, in words and without a traceback."""
    code, out, err = await run(tmp_path, {}, ANTIPHON, "serve", "nowhere:app")

    assert (code, out) == (78, "")
    assert err == "There is no module nowhere, seen from this folder. Is nowhere:app spelled right?\n"


async def test_a_port_that_is_taken_ends_the_server_with_78(tmp_path: Path) -> None:
    """`serve` on a port that another has ends with 78 and names the port."""
    async with await asyncio.start_server(lambda _reader, writer: writer.close(), HOST, 0) as other:
        port = other.sockets[0].getsockname()[1]

        code, out, err = await run(tmp_path, {"HTTP_PORT": str(port), "LOG_LEVEL": "error"}, OLYMPUS, "serve")

    assert (code, out) == (78, "")
    assert str(port) in err
