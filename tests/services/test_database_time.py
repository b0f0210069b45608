"""Deadlines, cancelling and waiting: nothing with the database takes longer than it may, and nothing is left behind."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import insert, select, text

from antiphon.core.errors import TimedOut, Unavailable
from antiphon.services.database import Database, DatabaseAway, Work
from antiphon.services.database.driver import GRACE, Limits
from antiphon.testing.waiting import wait_until
from tests.services.database_stage import ENDLESS, ONLY_SQLITE, SHORT, counters, engine_of, opened

LITTLE = 1.5
"""Seconds of a call that has little time left, and still enough for a busy machine to answer in order."""

LONG = 20.0
"""Seconds that prove by far that something was stopped and did not end by itself."""


async def takes_a_writer(database: Database) -> None:
    """Write something, in a transaction of its own."""
    async with database.transaction(write=True) as work:
        await work.execute(insert(counters), {"id": 1, "value": 0})


async def test_a_statement_ends_with_its_time(database_url: str) -> None:
    """What would run for minutes is stopped by the setting, and told as TimedOut, because the database is there."""
    began = monotonic()
    async with opened(database_url, statement_time=SHORT) as database, database.transaction() as work:
        with pytest.raises(TimedOut):
            await work.execute(text(ENDLESS[engine_of(database_url)]))

    assert monotonic() - began < LONG


async def test_a_statement_ends_with_the_call(database_url: str) -> None:
    """The time that the call has left bounds its statements, when that is less than the setting."""
    began = monotonic()
    async with opened(database_url, statement_time=timedelta(seconds=300)) as database:
        work = Work(database, write=False, time_left=lambda: LITTLE)
        with pytest.raises(TimedOut):
            await work.execute(text(ENDLESS[engine_of(database_url)]))

    assert monotonic() - began < LONG


async def test_a_later_statement_has_the_time_that_is_left_then(database_url: str) -> None:
    """The limit shrinks with the call, also in a transaction that began with more."""
    left = [30.0]
    began = monotonic()
    async with opened(database_url, statement_time=timedelta(seconds=300)) as database:
        work = Work(database, write=False, time_left=lambda: left[0])
        await work.execute(select(counters))
        left[0] = LITTLE
        with pytest.raises(TimedOut):
            await work.execute(text(ENDLESS[engine_of(database_url)]))

    assert monotonic() - began < LONG


async def test_after_a_timeout_the_next_transaction_has_its_whole_time(database_url: str) -> None:
    """No limit of an earlier call is left on a connection."""
    async with opened(database_url, pool=1, overflow=0) as database:
        hasty = Work(database, write=False, time_left=lambda: LITTLE)
        with pytest.raises(TimedOut):
            await hasty.execute(text(ENDLESS[engine_of(database_url)]))

        async with database.transaction() as work:
            if engine_of(database_url) == "postgresql":
                assert (await work.execute(text("SHOW statement_timeout"))).scalar_one() == "5s"
            assert await work.scalars(select(counters.c.id)) == []


async def test_a_call_without_time_does_not_ask_the_database(database_url: str) -> None:
    """When the time is over, nothing more is begun and nothing committed."""
    left = [30.0]
    async with opened(database_url) as database:
        work = Work(database, write=True, time_left=lambda: left[0])
        await work.execute(insert(counters), {"id": 1, "value": 0})
        left[0] = 0.0

        with pytest.raises(TimedOut):
            await work.commit()

        async with database.transaction() as looking:
            assert await looking.scalars(select(counters.c.id)) == []


async def test_cancelling_a_call_stops_its_statement(database_url: str) -> None:
    """The statement ends in the database as well, and its connection is free for others."""
    began = monotonic()
    async with opened(database_url, pool=1, overflow=0, statement_time=timedelta(seconds=300)) as database:
        work = Work(database, write=False)
        running = asyncio.create_task(work.execute(text(ENDLESS[engine_of(database_url)])))
        await wait_until(lambda: work.has_transaction, "the statement never began")
        await asyncio.sleep(0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

        async with database.transaction() as looking:
            if engine_of(database_url) == "postgresql":
                query = text("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")

                async def stopped() -> bool:
                    return (await looking.execute(query)).scalar_one() == 0

                await wait_until(stopped, "the server never stopped the statement")
            assert await looking.scalars(select(counters.c.id)) == []

    assert running.cancelled()
    assert monotonic() - began < LONG


async def test_cancelling_a_writer_undoes_it_and_lets_the_next_one_write(database_url: str) -> None:
    """Nothing of a cancelled transaction is kept, and no lock of it."""
    async with opened(database_url) as database:
        entered = asyncio.Event()

        async def write_and_stay() -> None:
            async with database.transaction(write=True) as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})
                entered.set()
                await work.execute(text(ENDLESS[engine_of(database_url)]))

        staying = asyncio.create_task(write_and_stay())
        await entered.wait()
        staying.cancel()
        await asyncio.wait((staying,))

        await takes_a_writer(database)

        async with database.transaction() as looking:
            assert await looking.scalars(select(counters.c.id)) == [1]


async def test_many_cancelled_calls_leave_the_pool_whole(database_url: str) -> None:
    """Wherever a call is cancelled, its connection comes back or is replaced."""
    async with opened(database_url, pool=2, overflow=1) as database:

        async def use(n: int) -> None:
            async with database.transaction(write=n % 2 == 0) as work:
                await work.execute(select(counters))
                await work.execute(select(counters))

        for n in range(40):
            task = asyncio.create_task(use(n))
            for _ in range(n):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait((task,))

        await asyncio.gather(*(use(n) for n in range(6)))


async def test_without_a_free_connection_a_call_is_told_in_time(database_url: str) -> None:
    """When all connections are in use, the next call waits as long as the setting says, and nothing was done."""
    began = monotonic()
    async with opened(database_url, pool=1, overflow=0, wait=SHORT) as database:
        async with database.transaction() as first:
            await first.execute(select(counters))
            async with database.transaction() as second:
                with pytest.raises(DatabaseAway) as caught:
                    await second.execute(select(counters))

    assert not caught.value.outcome_unknown
    assert monotonic() - began < LONG


async def test_a_call_that_waits_for_a_connection_gets_the_next_free_one(database_url: str) -> None:
    """More calls than connections: they take turns, and all succeed."""
    async with opened(database_url, pool=2, overflow=0, wait=timedelta(seconds=30)) as database:

        async def look() -> None:
            async with database.transaction() as work:
                await work.execute(select(counters))

        await asyncio.gather(*(look() for _ in range(30)))


async def test_a_call_with_little_time_does_not_wait_longer_for_a_connection(database_url: str) -> None:
    """The time of the call bounds the wait for a connection as well."""
    began = monotonic()
    async with opened(database_url, pool=1, overflow=0, wait=timedelta(seconds=300)) as database:
        async with database.transaction() as first:
            await first.execute(select(counters))
            hasty = Work(database, write=False, time_left=lambda: 0.3)
            with pytest.raises(Unavailable):
                await hasty.execute(select(counters))

    assert monotonic() - began < LONG


@ONLY_SQLITE
async def test_writers_of_a_sqlite_file_stand_in_line_and_are_told_when_it_is_too_long(database_url: str) -> None:
    """SQLite has one writer: the next one waits for its turn, and no longer than the setting says."""
    async with opened(database_url, wait=SHORT) as database, database.transaction(write=True) as first:
        await first.execute(insert(counters), {"id": 2, "value": 0})

        with pytest.raises(DatabaseAway):
            await takes_a_writer(database)


@ONLY_SQLITE
async def test_another_process_that_writes_is_waited_for(database_url: str) -> None:
    """Two services on one SQLite file stand for two processes: the lock file lets one write at a time."""
    async with opened(database_url, wait=SHORT) as here, opened(database_url, wait=timedelta(seconds=30)) as there:
        async with here.transaction(write=True) as work:
            await work.execute(insert(counters), {"id": 2, "value": 0})
            waiting = asyncio.create_task(takes_a_writer(there))
            await asyncio.sleep(0)
            assert not waiting.done()
        await waiting

        async with here.transaction() as looking:
            assert await looking.scalars(select(counters.c.id).order_by(counters.c.id)) == [1, 2]


@pytest.mark.parametrize("left", [0.01, 0.3, 1.0, 4.0, 30.0, float("inf")])
def test_the_server_gives_up_before_the_driver_and_the_driver_before_the_call(left: float) -> None:
    """So a live server answers 57014, a silent one is noticed, and the call still has time to say so."""
    limits = Limits.of(5.0, left)

    assert 0 < limits.server < limits.driver < left
    assert limits.server <= 5.0
    assert limits.driver <= 5.0 + GRACE
