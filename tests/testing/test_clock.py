"""The clock of tests: it stands still, and whoever sleeps by it wakes when it is moved."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from antiphon.testing.clock import StandingClock


async def test_it_moves_only_when_it_is_told() -> None:
    """Time of day and monotonic time move together, and by what was said."""
    clock = StandingClock()
    before, since = clock.now(), clock.monotonic()

    clock.move(timedelta(minutes=1))

    assert clock.now() - before == timedelta(minutes=1)
    assert clock.monotonic() - since == 60.0


async def test_a_sleeper_wakes_when_its_time_has_come() -> None:
    """A sleep ends at the move that reaches its end, and not before."""
    clock = StandingClock()
    sleeping = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)

    clock.move(timedelta(seconds=9))
    await asyncio.sleep(0)
    slept_on = not sleeping.done()
    clock.move(timedelta(seconds=1))
    await sleeping

    assert slept_on


async def test_sleeping_for_nothing_lets_others_run() -> None:
    """A sleep of no time waits for no move."""
    await StandingClock().sleep(0)
