"""Column types: the same value goes in and comes out, whichever engine keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import insert, select

from antiphon.core.clock import RandomIds
from antiphon.services.database import Database
from tests.services.database_stage import opened, people

NOON = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)


async def kept(database: Database, moment: datetime | None) -> datetime | None:
    """A moment, written and read again."""
    person = RandomIds().uuid7()
    async with database.transaction(write=True) as work:
        await work.execute(insert(people), {"id": person, "email": person, "born_at": moment})
    async with database.transaction() as work:
        return await work.scalar(select(people.c.born_at).where(people.c.id == person))


@pytest.mark.parametrize("hours", [0, 14, -9])
async def test_a_moment_comes_back_in_utc(database_url: str, hours: int) -> None:
    """It is the same moment, to the microsecond, and aware."""
    there = NOON.astimezone(timezone(timedelta(hours=hours)))
    async with opened(database_url) as database:
        read = await kept(database, there)

    assert read == NOON
    assert read is not None
    assert read.tzinfo is UTC


async def test_no_moment_stays_none(database_url: str) -> None:
    """Nothing in, nothing out."""
    async with opened(database_url) as database:
        assert await kept(database, None) is None


async def test_moments_are_ordered_as_time_is(database_url: str) -> None:
    """Also where they are text: with and without a fraction of a second, and from different offsets."""
    moments = [
        NOON.replace(microsecond=0),
        NOON.replace(microsecond=1).astimezone(timezone(timedelta(hours=-11))),
        NOON,
        (NOON + timedelta(seconds=1)).replace(microsecond=0).astimezone(timezone(timedelta(hours=12))),
    ]
    async with opened(database_url) as database:
        for moment in (moments[2], moments[0], moments[3], moments[1]):
            await kept(database, moment)

        async with database.transaction() as work:
            read = await work.scalars(select(people.c.born_at).order_by(people.c.born_at))
            later = await work.scalars(select(people.c.born_at).where(people.c.born_at > moments[1]))

    assert [*read] == moments
    assert len(later) == 2


async def test_an_id_is_found_however_its_letters_are_written(database_url: str) -> None:
    """UUIDs are the same in capitals, and are given back in small letters."""
    person = RandomIds().uuid7()
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(people), {"id": person.upper(), "email": "ada@example.org"})

        async with database.transaction() as work:
            assert await work.scalar(select(people.c.id).where(people.c.id == person.upper())) == person


async def test_ids_are_ordered_by_their_time(database_url: str) -> None:
    """UUIDv7 sorts as it was made, on both engines."""
    ids = [f"0199{n:04x}-0000-7000-8000-000000000000" for n in (3, 1, 2)]
    async with opened(database_url) as database:
        async with database.transaction(write=True) as work:
            await work.execute(insert(people), [{"id": each, "email": each} for each in ids])

        async with database.transaction() as work:
            assert await work.scalars(select(people.c.id).order_by(people.c.id)) == sorted(ids)
