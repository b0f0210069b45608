"""What every test may ask for: real engines, one of each for the whole run, and a look at what a test leaves behind."""

from __future__ import annotations

import gc
import inspect
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex
from shutil import copyfile

import pytest
import pytest_asyncio

from antiphon.core.log import Silent
from antiphon.stores.base import Store
from antiphon.testing.engines import PostgresDatabases, PostgresServer, ValkeyServer
from antiphon.testing.leftovers import lasting_keys, tasks_left
from antiphon.testing.waiting import wait_until

BOUNDED = ("{jobs.*}:*", "{events.*}:log", "{known}:*")
"""Keys that have a bound instead of a lifetime: queues, their unfinished jobs, and logs. Tests of queues say which."""

EMPTY = "template1"
"""The database of PostgreSQL that has nothing in it."""


def pytest_configure(config: pytest.Config) -> None:
    """Declare our marks, and leave what is not needed."""
    if hasattr(config, "workerinput"):
        # A process that is measured takes twice as long to start; so those that the tests start are not.
        os.environ.pop("COVERAGE_PROCESS_CONFIG", None)
    # A shell that starts something in its background has it ignore interrupts, and all that it starts in turn: of those
    # that our tests start, some are to be interrupted.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # A tenth of the time would go into looking for garbage among what ten thousand tests have imported and declared.
    gc.set_threshold(20_000, 20, 20)
    config.addinivalue_line(
        "markers", "lasting_keys(*patterns): keys (without the prefix) that this test may leave without a lifetime"
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def valkey() -> AsyncIterator[ValkeyServer]:
    """One Valkey for the whole run. A test that kills or pauses takes its own: `async with ValkeyServer()`."""
    async with ValkeyServer(persistent=False) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[PostgresDatabases]:
    """One PostgreSQL for the whole run, or the one of TEST_DATABASE_URL."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield PostgresDatabases(url)
        return
    async with PostgresServer() as server:
        yield server


@pytest.fixture
async def store_prefix(valkey: ValkeyServer, request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A prefix of its own for the test; afterwards every key under it must have a lifetime."""
    prefix = f"test-{token_hex(6)}"
    yield prefix
    marks = [*request.node.iter_markers("lasting_keys")]
    allowed = tuple(str(pattern) for mark in marks for pattern in mark.args) if marks else BOUNDED
    lasting = await lasting_keys(valkey.url, prefix, allowed=allowed)
    assert not lasting, f"keys without a lifetime: {lasting}"


@pytest.fixture
async def store(valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Store]:
    """A store of its own on the Valkey of the run."""
    opened = Store(valkey.url, prefix=store_prefix, log=Silent())
    yield opened
    await opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_server(request: pytest.FixtureRequest) -> PostgresDatabases | None:
    """The server of `database_url`; None is SQLite. PostgreSQL starts with the first test that asks for it."""
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None


@pytest.fixture
def database_template() -> Path | str | None:
    """What `database_url` is a copy of; nothing, unless a folder of tests says otherwise."""
    return None


@pytest.fixture
async def database_url(
    database_server: PostgresDatabases | None, database_template: Path | str | None, tmp_path: Path
) -> AsyncIterator[str]:
    """A fresh database, once on SQLite and once on PostgreSQL; afterwards nobody may be connected to it."""
    if database_server is None:
        if database_template is not None:
            copyfile(database_template, tmp_path / "test.db")
        yield f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
        return
    url = await database_server.create_database(template=str(database_template or EMPTY))
    yield url

    async def nobody() -> bool:
        return await database_server.connections(url) == 0

    try:
        await wait_until(nobody, "the test's connections to the database were never closed")
    finally:
        await database_server.drop_database(url)


@pytest.fixture(autouse=True)
def _leaves_no_task(request: pytest.FixtureRequest) -> None:
    # Asked for first and so finished last: after every other fixture has closed what it opened.
    if inspect.iscoroutinefunction(getattr(request.node, "obj", None)):
        request.getfixturevalue("_no_task_left")


@pytest.fixture
async def _no_task_left() -> AsyncIterator[None]:
    before = set(tasks_left())
    yield
    await wait_until(
        lambda: not set(tasks_left()) - before, f"tasks were left: {[*map(str, tasks_left())]}", within=2.0
    )
