"""What a transaction writes last: within it, in order, and forgotten with it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import insert, select, text

from antiphon.core.errors import Defect, NotFound
from antiphon.services.database import Database, Taken, Work
from tests.services.database_stage import counters, opened


async def write_numbers(work: Work, numbers: Sequence[int]) -> None:
    """Write all of them by one statement."""
    await work.execute(insert(counters), [{"id": number, "value": len(numbers)} for number in numbers])


async def write_more(work: Work, numbers: Sequence[int]) -> None:
    """Name one more number for each, while the transaction ends."""
    for number in numbers:
        work.before_commit(write_numbers, number + 1)


async def refuse(work: Work, reasons: Sequence[str]) -> None:
    """Fail the commit."""
    raise NotFound(reasons[0])


async def swallow_a_failure(work: Work, numbers: Sequence[int]) -> None:
    """Write a number twice, and say nothing of it."""
    with pytest.raises(Taken):
        await work.execute(insert(counters), [{"id": number, "value": 0} for number in (*numbers, *numbers)])


async def rows(database: Database) -> list[tuple[int, int]]:
    """The counters that are committed."""
    async with database.transaction() as work:
        return [(row.id, row.value) for row in await work.execute(select(counters).order_by(counters.c.id))]


async def test_items_for_one_writer_are_written_by_one_call(database_url: str) -> None:
    """However many were named, in the order in which they were."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            work.before_commit(write_numbers, 1)
            work.before_commit(write_numbers, 2)
            assert await work.scalars(select(counters.c.id)) == []

        assert await rows(database) == [(1, 2), (2, 2)]


async def test_a_writer_may_name_more_to_write(database_url: str) -> None:
    """What is named while the transaction ends is written in it too."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            work.before_commit(write_more, 1)

        assert await rows(database) == [(2, 1)]


async def test_a_writer_that_fails_fails_the_commit(database_url: str) -> None:
    """Its error is the block's, nothing is kept, and nobody hears of a commit."""
    heard: list[str] = []

    async def hear() -> None:
        heard.append("committed")

    async with opened(database_url) as database:

        async def block() -> None:
            async with database.transaction(write=True) as work:
                await write_numbers(work, [1])
                work.before_commit(refuse, "no")
                work.after_commit(hear)

        with pytest.raises(NotFound, match="no"):
            await block()

        assert (await rows(database), heard) == ([], [])


async def test_a_failure_that_a_writer_swallows_fails_the_commit_all_the_same(database_url: str) -> None:
    """The transaction was rolled back, and nobody is told of a success."""
    async with opened(database_url) as database:

        async def block() -> None:
            async with database.transaction(write=True) as work:
                await write_numbers(work, [1])
                work.before_commit(swallow_a_failure, 2)

        with pytest.raises(Defect):
            await block()

        assert await rows(database) == []


async def test_a_commit_in_between_writes_what_waits_for_it(database_url: str) -> None:
    """Each transaction of a work has items of its own."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            work.before_commit(write_numbers, 1)
            await work.commit()
            assert await rows(database) == [(1, 1)]
            work.before_commit(write_numbers, 2)

        assert await rows(database) == [(1, 1), (2, 1)]


async def test_a_rollback_forgets_what_waits(database_url: str) -> None:
    """What was named before it is not written with what comes after."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            work.before_commit(write_numbers, 1)
            await work.rollback()
            work.before_commit(write_numbers, 2)

        assert await rows(database) == [(2, 1)]


async def test_a_savepoint_that_is_undone_takes_its_items_with_it(database_url: str) -> None:
    """What was named within it is forgotten, in both directions of time; what was named around it is not."""
    heard: list[int] = []

    def hearing(number: int) -> None:
        async def hear() -> None:
            heard.append(number)

        work.before_commit(write_numbers, number)
        work.after_commit(hear)

    async def undone() -> None:
        async with work.savepoint():
            hearing(2)
            raise NotFound

    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            hearing(1)
            with pytest.raises(NotFound):
                await undone()
            hearing(3)

        assert (await rows(database), heard) == ([(1, 2), (3, 2)], [1, 3])


async def test_nothing_of_another_task_comes_after_the_last_statements(database_url: str) -> None:
    """Whoever shares the work waits for the commit, and writes in the next transaction."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        begun = asyncio.Event()

        async def write_slowly(work: Work, numbers: Sequence[int]) -> None:
            begun.set()
            await asyncio.sleep(0)
            await write_numbers(work, numbers)

        async def intrude() -> None:
            await begun.wait()
            await work.execute(text("UPDATE counters SET value = 100"))

        work.before_commit(write_slowly, 1)
        intruder = asyncio.create_task(intrude())
        await work.commit()

        assert await rows(database) == [(1, 1)]
        await intruder


async def test_a_reading_transaction_takes_no_items(database_url: str) -> None:
    """It commits nothing, so what would wait for that is refused."""
    async with opened(database_url) as database, database.transaction() as work:
        with pytest.raises(Defect, match="reading transaction"):
            work.before_commit(write_numbers, 1)
