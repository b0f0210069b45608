"""The transaction of a call: what it keeps, what it undoes, and what it refuses, on both engines."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, text, update

from antiphon.core.clock import RandomIds
from antiphon.core.errors import Defect, NotFound
from antiphon.services.database import Database, DatabaseAway, Taken, Work
from tests.services.database_stage import Lines, counters, opened, people


async def numbers(database: Database) -> list[int]:
    """The counters that are committed."""
    async with database.transaction() as work:
        return [*await work.scalars(select(counters.c.id).order_by(counters.c.id))]


async def test_what_a_transaction_wrote_is_there_for_the_next_one(database_url: str) -> None:
    """A block that ends well is committed."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(counters), {"id": 1, "value": 0})

        assert await numbers(database) == [1]


async def test_nothing_of_a_failed_transaction_is_kept(database_url: str) -> None:
    """A block that raises is rolled back, and its error goes on."""
    async with opened(database_url) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})
                raise NotFound

        with pytest.raises(NotFound):
            await action()

        assert await numbers(database) == []


async def test_a_transaction_sees_what_it_wrote_itself(database_url: str) -> None:
    """Reading after writing finds the writing, in the same transaction."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        await work.execute(insert(counters), [{"id": 1, "value": 7}, {"id": 2, "value": 8}])

        assert await work.scalar(select(counters.c.value).where(counters.c.id == 2)) == 8


async def test_a_statement_for_many_rows_says_how_many_it_changed(database_url: str) -> None:
    """`rowcount` of an update is the number of its rows."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        await work.execute(insert(counters), [{"id": 1, "value": 7}, {"id": 2, "value": 8}])

        changed = await work.execute(update(counters).values(value=counters.c.value + 1))

        assert changed.rowcount == 2


async def test_a_statement_can_return_what_it_wrote(database_url: str) -> None:
    """RETURNING works on both engines."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        row = (await work.execute(insert(counters).values(id=3, value=4).returning(counters.c.value))).one()

        assert row.value == 4


async def test_a_reading_transaction_cannot_write(database_url: str) -> None:
    """Writing in a transaction that said it reads is our own mistake: a Defect, and nothing is written."""
    async with opened(database_url) as database:
        with pytest.raises(Defect, match="write=True"):
            async with database.transaction() as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})

        assert await numbers(database) == []


async def test_after_a_commit_the_work_goes_on_in_a_new_transaction(database_url: str) -> None:
    """A stream commits at every item: what was committed stays when a later part fails."""
    async with opened(database_url) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})
                await work.commit()
                await work.execute(insert(counters), {"id": 2, "value": 0})
                raise NotFound

        with pytest.raises(NotFound):
            await action()

        assert await numbers(database) == [1]


async def test_a_commit_gives_the_connection_back(database_url: str) -> None:
    """Between its transactions a work holds no connection: with a pool of one, another transaction can run."""
    async with opened(database_url, pool=1, overflow=0) as database, database.transaction(write=True) as work:
        await work.execute(insert(counters), {"id": 1, "value": 0})
        await work.commit()

        async with database.transaction(write=True) as other:
            await other.execute(insert(counters), {"id": 2, "value": 0})

        assert await work.scalars(select(counters.c.id).order_by(counters.c.id)) == [1, 2]


async def test_a_call_that_uses_no_database_takes_no_connection(database_url: str) -> None:
    """A transaction opens at its first statement."""
    async with opened(database_url, pool=1, overflow=0) as database:
        async with database.transaction(write=True), database.transaction(write=True) as other:
            await other.execute(insert(counters), {"id": 1, "value": 0})

        assert await numbers(database) == [1]


async def test_going_on_after_a_failed_statement_is_a_defect_and_keeps_nothing(database_url: str) -> None:
    """An action that swallows a failure cannot go on as if its earlier writes were there: they are rolled back."""
    async with opened(database_url) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})
                with pytest.raises(Taken):
                    await work.execute(insert(counters), {"id": 1, "value": 0})
                await work.execute(insert(counters), {"id": 2, "value": 0})

        with pytest.raises(Defect, match="savepoint"):
            await action()

        assert await numbers(database) == []


async def test_committing_after_a_failed_statement_is_a_defect(database_url: str) -> None:
    """Nobody is told of a success when a statement failed and everything was rolled back."""
    async with opened(database_url) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work:
                await work.execute(insert(counters), {"id": 1, "value": 0})
                with pytest.raises(Taken):
                    await work.execute(insert(counters), {"id": 1, "value": 0})

        with pytest.raises(Defect, match="savepoint"):
            await action()

        assert await numbers(database) == []


async def test_a_first_statement_that_fails_may_be_followed_by_others(database_url: str) -> None:
    """When nothing was done yet, nothing is lost: the next statement begins a new transaction."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(counters), {"id": 1, "value": 0})
        async with database.transaction(write=True) as work:
            with pytest.raises(Taken):
                await work.execute(insert(counters), {"id": 1, "value": 0})
            await work.execute(insert(counters), {"id": 2, "value": 0})

        assert await numbers(database) == [1, 2]


async def test_a_savepoint_undoes_only_its_own_block(database_url: str) -> None:
    """What failed inside is gone; what stood before and comes after is kept."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(counters), {"id": 1, "value": 0})

            async def action() -> None:
                async with work.savepoint():
                    await work.execute(insert(counters), {"id": 2, "value": 0})
                    await work.execute(insert(counters), {"id": 1, "value": 0})

            with pytest.raises(Taken):
                await action()
            await work.execute(insert(counters), {"id": 3, "value": 0})

        assert await numbers(database) == [1, 3]


async def test_savepoints_stand_within_each_other(database_url: str) -> None:
    """An inner block can fail and the outer one go on."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work, work.savepoint():
            await work.execute(insert(counters), {"id": 1, "value": 0})
            with pytest.raises(Taken):
                async with work.savepoint():
                    await work.execute(insert(counters), {"id": 1, "value": 0})
            await work.execute(insert(counters), {"id": 2, "value": 0})

        assert await numbers(database) == [1, 2]


async def test_swallowing_a_failure_inside_a_savepoint_is_a_defect(database_url: str) -> None:
    """A savepoint ends with the failure or without one, on both engines alike."""
    async with opened(database_url) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work, work.savepoint():
                await work.execute(insert(counters), {"id": 1, "value": 0})
                with pytest.raises(Taken):
                    await work.execute(insert(counters), {"id": 1, "value": 0})

        with pytest.raises(Defect, match="savepoint"):
            await action()

        assert await numbers(database) == []


async def test_what_waits_for_the_commit_runs_after_it(database_url: str) -> None:
    """A callback of `after_commit` finds the data committed."""
    seen: list[list[int]] = []
    async with opened(database_url) as database:

        async def look() -> None:
            seen.append(await numbers(database))

        async with database.transaction(write=True) as work:
            work.after_commit(look)
            await work.execute(insert(counters), {"id": 1, "value": 0})
            before = [*seen]

        assert (before, seen) == ([], [[1]])


async def test_what_waits_for_a_commit_never_runs_after_a_rollback(database_url: str) -> None:
    """Nobody hears of what did not happen."""
    heard: list[str] = []

    async def hear() -> None:
        heard.append("committed")

    async with opened(database_url) as database:

        async def action() -> None:
            async with database.transaction(write=True) as work:
                work.after_commit(hear)
                await work.execute(insert(counters), {"id": 1, "value": 0})
                raise NotFound

        with pytest.raises(NotFound):
            await action()

    assert heard == []


async def test_a_callback_that_fails_does_not_fail_what_was_committed(database_url: str) -> None:
    """The data stands, the other callbacks run, and the log has the failure."""
    lines, heard = Lines(), list[str]()

    async def fail() -> None:
        raise DatabaseAway

    async def hear() -> None:
        heard.append("committed")

    async with opened(database_url, log=lines) as database:
        async with database.transaction(write=True) as work:
            work.after_commit(fail)
            work.after_commit(hear)
            await work.execute(insert(counters), {"id": 1, "value": 0})

        assert await numbers(database) == [1]
    assert heard == ["committed"]
    assert "database.after_commit_failed" in lines.events


async def test_tasks_may_share_a_work(database_url: str) -> None:
    """Statements of one work take turns on its one connection."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        await asyncio.gather(*(work.execute(insert(counters), {"id": n, "value": n}) for n in range(20)))

        assert len(await work.scalars(select(counters.c.id))) == 20


async def test_no_update_is_lost_when_many_read_and_write_at_once(database_url: str) -> None:
    """Reading with `with_for_update`, thinking and writing is right on both engines."""
    async with opened(database_url, wait=timedelta(seconds=30)) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(counters), {"id": 1, "value": 0})

        async def count_up() -> None:
            async with database.transaction(write=True) as work:
                reading = select(counters.c.value).where(counters.c.id == 1).with_for_update()
                value = await work.scalar(reading)
                await asyncio.sleep(0)
                await work.execute(update(counters).values(value=(value or 0) + 1))

        await asyncio.gather(*(count_up() for _ in range(40)))

        async with database.transaction() as work:
            assert await work.scalar(select(counters.c.value)) == 40


async def test_readers_do_not_wait_for_a_writer(database_url: str) -> None:
    """While one transaction writes, another reads what was committed before."""
    async with opened(database_url) as database, database.transaction(write=True) as writing:
        await writing.execute(insert(counters), {"id": 1, "value": 0})

        assert await numbers(database) == []


async def test_a_work_that_was_ended_with_an_error_has_undone_everything(database_url: str) -> None:
    """`end(error)` is the step of a call that failed."""
    async with opened(database_url) as database:
        work = Work(database, write=True)
        await work.execute(insert(counters), {"id": 1, "value": 0})

        await work.end(NotFound())

        assert await numbers(database) == []


async def test_a_work_that_was_ended_without_an_error_is_committed(database_url: str) -> None:
    """`end(None)` is the step of a call that went well."""
    async with opened(database_url) as database:
        work = Work(database, write=True)
        await work.execute(insert(counters), {"id": 1, "value": 0})

        await work.end(None)

        assert await numbers(database) == [1]


async def test_plain_sql_works_as_well(database_url: str) -> None:
    """A repository may say `text(...)` with named parameters."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        await work.execute(text("INSERT INTO counters (id, value) VALUES (:id, :value)"), {"id": 1, "value": 5})
        await work.execute(delete(counters).where(counters.c.id == 1))

        assert (await work.execute(text("SELECT count(*) FROM counters"))).scalar_one() == 0


async def test_a_row_that_was_written_reads_back_equal(database_url: str) -> None:
    """Ids and text come back as they were given."""
    person = RandomIds().uuid7()
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(people), {"id": person, "email": "ada@example.org", "name": "Ada ✓", "age": 36})

        async with database.transaction() as work:
            row = (await work.execute(select(people.c.id, people.c.name).where(people.c.id == person))).one()

        assert (row.id, row.name) == (person, "Ada ✓")
