"""What a call is told when the database refuses something: the condition, the input to blame, and never a value."""

from __future__ import annotations

import asyncio
import traceback
from datetime import datetime

import pytest
from sqlalchemy import delete, insert, select, text, update

from antiphon.core.clock import RandomIds
from antiphon.core.errors import CallError, Conflict, Defect, Fault, InvalidInput, TimedOut, Unavailable
from antiphon.services.database import Database, DatabaseAway, Taken
from antiphon.services.database.codes import unique_name
from tests.services.database_stage import ONLY_POSTGRESQL, counters, notes, opened, people

SECRET = "correct-horse@example.org"


async def add_person(database: Database, **values: object) -> str:
    """One person, written in a transaction of its own."""
    person = RandomIds().uuid7()
    async with database.transaction(write=True) as work:
        await work.execute(insert(people), {"id": person, "email": SECRET, **values})
    return person


async def test_what_is_taken_names_the_constraint_and_the_input(database_url: str) -> None:
    """A unique constraint that says its input blames it, under the same name on both engines."""
    async with opened(database_url) as database:
        await add_person(database)

        with pytest.raises(Taken) as caught:
            await add_person(database)

    assert caught.value.constraint == "uq_people_email"
    assert caught.value.fields == (Fault("email", "is taken already"),)


async def test_a_unique_column_names_its_input(database_url: str) -> None:
    """`Column(unique=True, info={"input": …})` is enough; the input may be called otherwise than the column."""
    async with opened(database_url) as database:
        await add_person(database, name="ada")

        with pytest.raises(Taken) as caught:
            await add_person(database, name="ada", email="another@example.org")

    assert (caught.value.constraint, caught.value.fields[0].name) == ("uq_people_name", "nickname")


async def test_a_taken_primary_key_is_told_by_its_constraint(database_url: str) -> None:
    """A key that nobody named an input for blames none."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        await work.execute(insert(counters), {"id": 1, "value": 0})

        with pytest.raises(Taken) as caught:
            await work.execute(insert(counters), {"id": 1, "value": 0})
        await work.rollback()

    assert (caught.value.constraint, caught.value.fields) == ("pk_counters", ())


async def test_a_constraint_over_several_columns_has_one_name(database_url: str) -> None:
    """SQLite names the columns and PostgreSQL the constraint; the error names the constraint on both."""
    async with opened(database_url) as database:
        person = await add_person(database)
        async with database.transaction(write=True) as work:
            await work.execute(insert(notes), {"id": 1, "person_id": person, "place": 1, "shelf": 2})

            with pytest.raises(Taken) as caught:
                await work.execute(insert(notes), {"id": 2, "person_id": person, "place": 1, "shelf": 2})
            await work.rollback()

    assert caught.value.constraint == "uq_notes_place_shelf"


async def test_a_reference_to_nothing_is_a_conflict(database_url: str) -> None:
    """A foreign key that points nowhere."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        with pytest.raises(Conflict):
            await work.execute(insert(notes), {"id": 1, "person_id": RandomIds().uuid7()})


async def test_deleting_what_something_refers_to_is_a_conflict(database_url: str) -> None:
    """A row that another one points to stays."""
    async with opened(database_url) as database:
        person = await add_person(database)
        async with database.transaction(write=True) as work:
            await work.execute(insert(notes), {"id": 1, "person_id": person})

        async with database.transaction(write=True) as work:
            with pytest.raises(Conflict):
                await work.execute(delete(people))


@pytest.mark.parametrize(
    "values",
    [{"email": None}, {"email": "x@example.org", "age": -1}],
    ids=["nothing where something must be", "a check"],
)
async def test_a_value_that_does_not_fit_is_invalid_input(database_url: str, values: dict[str, object]) -> None:
    """A missing value, and one that a CHECK refuses."""
    async with opened(database_url) as database:
        with pytest.raises(InvalidInput):
            await add_person(database, **values)


async def test_text_that_is_no_id_is_invalid_input(database_url: str) -> None:
    """Both engines refuse it in the same way, before anything is sent."""
    async with opened(database_url) as database, database.transaction() as work:
        with pytest.raises(InvalidInput):
            await work.execute(select(people).where(people.c.id == "42"))


async def test_a_number_that_is_too_large_is_invalid_input(database_url: str) -> None:
    """What the driver cannot send is as wrong as what the server does not take."""
    async with opened(database_url) as database, database.transaction(write=True) as work:
        with pytest.raises((InvalidInput, Defect)) as caught:
            await work.execute(insert(counters), {"id": 2**70, "value": 0})

    assert isinstance(caught.value, InvalidInput)


async def test_a_statement_that_is_wrong_is_a_defect(database_url: str) -> None:
    """A table that does not exist is our own fault, and no condition of the call."""
    async with opened(database_url) as database, database.transaction() as work:
        with pytest.raises(Defect):
            await work.execute(text("SELECT secret_column FROM nowhere"))


async def test_a_time_without_an_offset_is_a_defect(database_url: str) -> None:
    """It is not known which moment is meant, so it is not stored."""
    async with opened(database_url) as database:
        with pytest.raises(Defect) as caught:
            await add_person(database, born_at=datetime(1815, 12, 10))  # noqa: DTZ001  # that is the mistake

    assert "offset" in str(caught.value.__cause__)


async def test_no_value_and_no_sql_is_told_or_logged(database_url: str) -> None:
    """Neither the message nor the traceback of a refused statement holds what was to be written."""
    told: list[BaseException] = []
    async with opened(database_url) as database:
        await add_person(database)
        for values in ({}, {"age": -1, "email": SECRET + "2"}, {"name": SECRET * 10}, {"id": SECRET}, {"id": None}):
            try:
                await add_person(database, **values)
            except (CallError, Defect) as error:
                told.append(error)

    assert len(told) >= 4
    for error in told:
        shown = "".join(traceback.format_exception(error))
        assert SECRET not in shown
        assert "INSERT" not in str(error)


async def test_the_cause_of_a_conflict_names_code_and_constraint_only(database_url: str) -> None:
    """The log can tell which rule was broken, and nothing about whom it concerns."""
    async with opened(database_url) as database:
        await add_person(database)

        with pytest.raises(Taken) as caught:
            await add_person(database)

    assert str(caught.value.__cause__) == "23505: uq_people_email"


@ONLY_POSTGRESQL
async def test_a_deadlock_is_unavailable_and_nothing_was_done(database_url: str) -> None:
    """Two transactions that wait for each other: one goes on, the other is told to come again."""
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(counters), [{"id": 1, "value": 0}, {"id": 2, "value": 0}])
        met = asyncio.Barrier(2)

        async def change(first: int, second: int) -> None:
            async with database.transaction(write=True) as work:
                await work.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
                await work.execute(update(counters).where(counters.c.id == first).values(value=1))
                await met.wait()
                await work.execute(update(counters).where(counters.c.id == second).values(value=1))

        outcomes = await asyncio.gather(change(1, 2), change(2, 1), return_exceptions=True)

    failed = [outcome for outcome in outcomes if outcome is not None]
    assert [type(outcome) for outcome in failed] == [DatabaseAway]
    assert not any(outcome.outcome_unknown for outcome in failed if isinstance(outcome, DatabaseAway))


@ONLY_POSTGRESQL
async def test_the_statement_that_a_live_server_ended_is_timed_out(database_url: str) -> None:
    """57014 says that the database is there, so it is TimedOut and not Unavailable."""
    async with opened(database_url) as database, database.transaction() as work:
        await work.execute(text("SET LOCAL statement_timeout = 50"))

        with pytest.raises(TimedOut):
            await work.execute(text("SELECT pg_sleep(60)"))


@ONLY_POSTGRESQL
async def test_a_server_that_became_read_only_is_unavailable(database_url: str) -> None:
    """After a fail-over the address may lead to a server that only reads: nothing was done, and it will pass."""
    async with opened(database_url, pool=1, overflow=0) as database, database.transaction(write=True) as work:
        await work.execute(text("SET TRANSACTION READ ONLY"))
        with pytest.raises(DatabaseAway) as caught:
            await work.execute(insert(counters), {"id": 1, "value": 0})
        await work.rollback()

    assert not caught.value.outcome_unknown


async def test_a_table_that_another_process_changed_is_no_error(database_url: str) -> None:
    """A statement that was prepared before a migration is prepared again."""
    reading = text("SELECT * FROM counters")
    async with opened(database_url, pool=1, overflow=0) as database, opened(database_url) as other:
        async with database.transaction() as work:
            await work.execute(reading)
        async with other.transaction(write=True) as work:
            await work.execute(text("ALTER TABLE counters ADD COLUMN more INTEGER"))

        async with database.transaction() as work:
            assert [*(await work.execute(reading)).keys()] == ["id", "value", "more"]


async def test_what_is_away_is_unavailable_with_a_time_to_come_again() -> None:
    """Transports have one row for Unavailable, and this is one."""
    error = DatabaseAway(outcome_unknown=True, retry_after=3.0)

    assert isinstance(error, Unavailable)
    assert (error.outcome_unknown, error.retry_after) == (True, 3.0)


def test_an_error_of_something_else_names_nothing_unique() -> None:
    """Only a driver's error is looked into."""
    assert unique_name(ValueError("UNIQUE constraint failed: people.email")) == ""
