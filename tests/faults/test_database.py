"""The database goes away and comes back: calls are told in time, nothing is lost, and nobody restarts anything."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import MetaData, insert, select, text

from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.health import Health
from antiphon.services.database import Database, DatabaseAway, Schema
from antiphon.services.database.ends import Outcome
from antiphon.testing.engines import PostgresServer
from antiphon.testing.waiting import wait_until
from tests.services.database_stage import Lines, counters, opened

BRIEF = timedelta(milliseconds=500)
LONG = 20.0
"""Seconds that prove by far that somebody was told, and did not wait for a server."""


@pytest.fixture
async def server() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL of the test's own, to be killed and paused."""
    async with PostgresServer() as running:
        yield running


async def write(database: Database, number: int) -> None:
    """One row, in a transaction of its own."""
    async with database.transaction(write=True) as work:
        await work.execute(insert(counters), {"id": number, "value": 0})


async def numbers(database: Database) -> list[int]:
    """The rows that are committed."""
    async with database.transaction() as work:
        return [*await work.scalars(select(counters.c.id).order_by(counters.c.id))]


async def test_while_the_server_is_gone_calls_are_told_at_once(server: PostgresServer) -> None:
    """Each call is told that nothing was done, within the time of a connection attempt."""
    async with opened(await server.create_database()) as database:
        await write(database, 1)
        await server.kill()
        began = monotonic()

        for _ in range(5):
            with pytest.raises(DatabaseAway) as caught:
                await write(database, 2)
            assert not caught.value.outcome_unknown

    assert monotonic() - began < LONG


async def test_the_first_call_after_the_return_succeeds(server: PostgresServer) -> None:
    """What was committed is there, and no call fails any more, however many stale connections there are."""
    async with opened(await server.create_database()) as database:
        await asyncio.gather(*(write(database, n) for n in range(8)))
        await server.kill()
        with pytest.raises(Unavailable):
            await write(database, 100)
        await server.start()

        await asyncio.gather(*(write(database, n) for n in range(8, 16)))

        assert await numbers(database) == [*range(16)]


async def test_a_restart_between_two_calls_is_not_noticed(server: PostgresServer) -> None:
    """Connections that died while they lay in the pool are replaced before anybody is given them."""
    async with opened(await server.create_database()) as database:
        await asyncio.gather(*(write(database, n) for n in range(8)))
        await server.kill()
        await server.start()

        await asyncio.gather(*(write(database, n) for n in range(8, 16)))

        assert await numbers(database) == [*range(16)]


async def test_a_connection_that_is_closed_under_the_first_statement_is_replaced(
    server: PostgresServer,
) -> None:
    """Nothing was done yet, so the statement runs again on another connection, unseen."""
    url = await server.create_database()
    async with opened(url, pool=4, overflow=0) as database:
        await asyncio.gather(*(write(database, n) for n in range(4)))
        async with opened(url) as other, other.transaction() as work:
            await work.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
            # Without a turn of the loop in between: the goodbye lies unread in the sockets.
            tasks = [asyncio.create_task(write(database, n)) for n in range(4, 8)]
            await asyncio.gather(*tasks)

        assert await numbers(database) == [*range(8)]


async def test_a_connection_lost_in_the_middle_undoes_the_transaction(server: PostgresServer) -> None:
    """The call is told, the outcome is known (nothing), and the transaction does not go on on another connection."""
    async with opened(await server.create_database()) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})
                await server.kill()
                await work.execute(insert(counters), {"id": 2, "value": 0})

        with pytest.raises(DatabaseAway) as caught:
            await action()
        await server.start()

        assert not caught.value.outcome_unknown
        assert await numbers(database) == []


async def test_losing_the_server_at_the_commit_leaves_the_outcome_unknown(server: PostgresServer) -> None:
    """COMMIT may have arrived: whoever keeps the write must ask before it is written again. Who waits is told so."""
    told: list[Outcome] = []
    async with opened(await server.create_database()) as database:

        def tell(items: Sequence[None], outcome: Outcome) -> None:
            told.append(outcome)

        async def action() -> None:
            async with database.transaction(write=True) as work:
                work.when_ended(tell, None)
                await work.execute(insert(counters), {"id": 1, "value": 0})
                await server.kill()

        with pytest.raises(DatabaseAway) as caught:
            await action()

    assert caught.value.outcome_unknown
    assert told == ["unknown"]


async def test_a_reading_call_that_has_its_rows_does_not_fail_at_its_end(server: PostgresServer) -> None:
    """There is nothing to commit."""
    async with opened(await server.create_database()) as database:
        async with database.transaction() as work:
            found = await work.scalars(select(counters.c.id))
            await server.kill()

    assert found == []


async def test_a_silent_server_is_given_up_within_the_time_of_a_statement(server: PostgresServer) -> None:
    """A paused server holds its connections open and answers nothing: the driver's own limit ends it."""
    async with opened(await server.create_database(), statement_time=BRIEF, connect_time=BRIEF) as database:
        await write(database, 1)
        server.pause()
        began = monotonic()

        with pytest.raises(DatabaseAway) as caught:
            await write(database, 2)
        assert caught.value.outcome_unknown
        for _ in range(3):
            with pytest.raises(DatabaseAway):
                await write(database, 3)
        took = monotonic() - began

        server.resume()
        await write(database, 4)
        assert 4 in await numbers(database)
    assert took < LONG


async def test_many_calls_on_a_silent_server_are_all_told_in_time(server: PostgresServer) -> None:
    """They do not queue up behind each other's limits."""
    url = await server.create_database()
    async with opened(url, pool=2, overflow=1, statement_time=BRIEF, connect_time=BRIEF, wait=BRIEF) as database:
        await asyncio.gather(*(write(database, n) for n in range(3)))
        server.pause()
        began = monotonic()

        outcomes = await asyncio.gather(*(write(database, 100 + n) for n in range(30)), return_exceptions=True)

        took = monotonic() - began
        server.resume()
        assert {type(outcome) for outcome in outcomes} == {DatabaseAway}
        # What has stood still may need more than the brief time for its first answers.
        await wait_until(lambda: _writes(database, 200), "no call got through any more", within=LONG)
        assert 200 in await numbers(database)
    assert took < LONG


async def _writes(database: Database, number: int) -> bool:
    """Whether this row can be written now, or is there already."""
    try:
        if number not in await numbers(database):
            await write(database, number)
    except DatabaseAway:
        return False
    return True


async def test_it_starts_without_a_database_and_migrates_when_there_is_one(server: PostgresServer) -> None:
    """Calls are told that it is away; then, without anybody's doing, the schema is there and calls succeed."""
    url = await server.create_database()
    lines = Lines()
    await server.kill()
    async with opened(url, log=lines) as database:
        with pytest.raises(DatabaseAway):
            await write(database, 1)
        assert await database.check_health() is Health.DOWN

        await server.start()

        await wait_until(lambda: "database.back" in lines.events, "the database was never found again", within=30)
        assert "database.migrated" in lines.events
        await write(database, 1)
        assert await numbers(database) == [1]


async def test_a_schema_that_does_not_fit_is_no_reason_to_serve_later(server: PostgresServer, tmp_path: Path) -> None:
    """When the database appears and cannot be migrated, calls stay unavailable and the log says why."""
    url = await server.create_database()
    broken = "revision = 'm0001_broken'\ndown_revision = None\ndef upgrade():\n    1 / 0\n"
    (tmp_path / "m0001_broken.py").write_text(broken, encoding="utf-8")
    lines = Lines()
    await server.kill()
    async with opened(url, log=lines, schema=Schema(MetaData(), tmp_path)) as database:
        await server.start()
        await wait_until(lambda: "database.unfit" in lines.events, "nobody said what is wrong", within=30)

        with pytest.raises(DatabaseAway):
            await write(database, 1)
        assert await database.check_health() is Health.DOWN
    assert "m0001_broken failed" in lines.text


async def test_a_server_that_refuses_us_stops_the_start(server: PostgresServer) -> None:
    """A database that does not exist is a mistake in the settings and not an outage."""
    url = (await server.create_database()).replace("/test_", "/no_such_")

    with pytest.raises(SetupError, match="DATABASE_URL"):
        async with opened(url):
            pass


async def test_the_health_tells_up_down_and_up_again(server: PostgresServer) -> None:
    """Within a second each time, and the return is found by asking."""
    async with opened(await server.create_database()) as database:
        assert await database.check_health() is Health.UP
        await server.kill()
        await wait_until(lambda: is_health(database, Health.DOWN), "it was never down", within=10)
        await server.start()

        await wait_until(lambda: is_health(database, Health.UP), "it was never up again", within=30)


async def test_the_health_is_degraded_when_every_connection_is_in_use(database_url: str) -> None:
    """The database is there; it is we who are out of connections."""
    async with opened(database_url, pool=1, overflow=0) as database:
        async with database.transaction() as work:
            await work.execute(select(counters))
            await wait_until(lambda: is_health(database, Health.DEGRADED), "it was never degraded", within=10)


async def test_the_health_of_a_silent_server_is_down_in_time(server: PostgresServer) -> None:
    """Asking does not hang with the server."""
    async with opened(await server.create_database()) as database:
        server.pause()
        began = monotonic()

        await wait_until(lambda: is_health(database, Health.DOWN), "it was never down", within=10)

        assert monotonic() - began < LONG
        server.resume()


async def test_a_sqlite_file_that_cannot_be_made_is_unavailable_until_it_can(tmp_path: Path) -> None:
    """A path that leads through a file: calls are told, and the way is found when it is free."""
    blocked = tmp_path / "data"
    blocked.write_text("in the way", encoding="utf-8")
    async with opened(f"sqlite:///{blocked}/test.db") as database:
        with pytest.raises(DatabaseAway):
            await write(database, 1)

        blocked.unlink()

        await write(database, 1)
        assert await numbers(database) == [1]


async def test_a_sqlite_database_closed_by_a_killed_process_goes_on(tmp_path: Path) -> None:
    """What was committed is there after the files were left as they stood, with their log and their lock."""
    url = f"sqlite:///{tmp_path}/live/test.db"
    async with opened(url) as database:
        await write(database, 1)
        shutil.copytree(tmp_path / "live", tmp_path / "left")

    async with opened(f"sqlite:///{tmp_path}/left/test.db") as database:
        await write(database, 2)
        assert await numbers(database) == [1, 2]


async def test_closing_a_sqlite_database_leaves_one_file_that_holds_everything(tmp_path: Path) -> None:
    """The log was taken over, so the file alone can be copied."""
    async with opened(f"sqlite:///{tmp_path}/test.db") as database:
        await write(database, 1)
    shutil.copy(tmp_path / "test.db", tmp_path / "copy.db")

    async with opened(f"sqlite:///{tmp_path}/copy.db") as database:
        assert await numbers(database) == [1]


async def is_health(database: Database, wanted: Health) -> bool:
    """Whether this is the health now."""
    return await database.check_health() is wanted
