"""One process at a time holds the lease, and another when that one is at work no more; by nobody's clock of day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from antiphon import Database
from antiphon.services.streams.lease import Lease, swap_mark
from antiphon.testing.clock import StandingClock
from tests.services.database_stage import opened
from tests.services.outbox_stage import SCHEMA

SECONDS = 10.0


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database with the tables of the outbox."""
    async with opened(database_url, schema=SCHEMA, wait=timedelta(seconds=30)) as ready:
        yield ready


def pass_time(clock: StandingClock, seconds: float) -> None:
    """Let time pass for one process."""
    clock.move(timedelta(seconds=seconds))


async def test_one_of_many_takes_it(database: Database) -> None:
    """All try at once, and on a row that is not there yet."""
    leases = [Lease(database, f"p{number}", SECONDS, StandingClock()) for number in range(10)]

    taken = await asyncio.gather(*(lease.hold() for lease in leases))

    assert sorted(taken) == [False] * 9 + [True]
    assert [lease.held for lease in leases] == taken


async def test_who_is_at_work_keeps_it(database: Database) -> None:
    """However long the others wait."""
    clock = StandingClock()
    mine, other = Lease(database, "mine", SECONDS, clock), Lease(database, "other", SECONDS, clock)
    assert await mine.hold()

    for _ in range(10):
        pass_time(clock, 4)
        assert await mine.hold()
        assert not await other.hold()


async def test_who_stops_working_loses_it(database: Database) -> None:
    """After the time of the lease, measured by whoever wants it; and no earlier."""
    clock = StandingClock()
    dead, heir = Lease(database, "dead", SECONDS, clock), Lease(database, "heir", SECONDS, clock)
    assert await dead.hold()
    assert not await heir.hold()

    pass_time(clock, SECONDS - 0.1)
    assert not await heir.hold()
    pass_time(clock, 0.2)

    assert await heir.hold()
    assert not await dead.hold()


async def test_it_is_trusted_for_less_time_than_others_wait(database: Database) -> None:
    """Who was paused knows that it may be gone before another can have taken it."""
    clock = StandingClock()
    lease = Lease(database, "mine", SECONDS, clock)
    assert await lease.hold()

    pass_time(clock, SECONDS * 0.9)

    assert not lease.held


async def test_an_idle_holder_goes_on_when_nobody_took_it(database: Database) -> None:
    """Having nothing to do is no reason to wait."""
    clock = StandingClock()
    lease = Lease(database, "mine", SECONDS, clock)
    assert await lease.hold()

    pass_time(clock, 3600)

    assert await lease.hold()


async def test_what_is_given_back_can_be_taken_at_once(database: Database) -> None:
    """Nobody waits for a process that has ended in good order."""
    clock = StandingClock()
    mine, other = Lease(database, "mine", SECONDS, clock), Lease(database, "other", SECONDS, clock)
    assert await mine.hold()
    assert not await other.hold()

    await mine.release()

    assert not mine.held
    assert await other.hold()


async def test_one_of_many_learns_of_a_new_mark(database: Database) -> None:
    """So a store that came back empty is reported once; the first mark replaces none."""
    assert [await swap_mark(database, "first") for _ in range(2)] == ["", None]

    learned = await asyncio.gather(*(swap_mark(database, "second") for _ in range(10)))

    assert sorted(map(str, learned)) == ["None"] * 9 + ["first"]
