"""Loops that are kept running whatever happens in them, and the slots that jobs run in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from antiphon import Health, Unavailable
from antiphon.core.log import Silent
from antiphon.services.streams.slots import Slots
from antiphon.services.streams.supervisor import Supervisor
from antiphon.testing.waiting import wait_until


@pytest.fixture
async def supervisor() -> AsyncIterator[Supervisor]:
    """One without a loop."""
    opened = Supervisor(Silent())
    yield opened
    await opened.close()


class Rounds:
    """Rounds that fail, end or hang as a test says."""

    def __init__(self, *, pause: float | None = 0.01) -> None:
        self.count = 0
        self.failing: Exception | None = None
        self.pause = pause
        self.hangs = False

    async def run(self) -> float | None:
        """One round."""
        self.count += 1
        if self.failing is not None:
            raise self.failing
        if self.hangs:
            await asyncio.Event().wait()
        return self.pause


async def test_a_round_is_repeated(supervisor: Supervisor) -> None:
    """Again and again, with the pause that it asks for."""
    rounds = Rounds()

    supervisor.keep("round", rounds.run)

    await wait_until(lambda: rounds.count > 5, "it was not repeated")


@pytest.mark.parametrize("error", [Unavailable(), ConnectionResetError(), RuntimeError("a defect of ours")])
async def test_a_loop_outlives_what_goes_wrong_in_it(supervisor: Supervisor, error: Exception) -> None:
    """Each failure is counted; it goes on as soon as a round succeeds."""
    rounds = Rounds()
    rounds.failing = error
    loop = supervisor.keep("round", rounds.run)
    await wait_until(lambda: loop.reconnects >= 2, "it did not begin anew")

    rounds.failing = None

    await wait_until(lambda: loop.rounds, "it did not recover")
    assert supervisor.all_reconnects() == {"round": loop.reconnects}


async def test_a_loop_that_fails_waits_longer_and_longer(supervisor: Supervisor) -> None:
    """Each wait is between half and all of twice the one before: six tries take a while."""
    rounds = Rounds(pause=None)
    rounds.failing = Unavailable()
    began = monotonic()
    supervisor.keep("round", rounds.run)

    await wait_until(lambda: rounds.count == 6, "it gave up")

    assert monotonic() - began >= 0.5 * (0.05 + 0.1 + 0.2 + 0.4 + 0.8)


async def test_a_loop_can_be_woken(supervisor: Supervisor) -> None:
    """Its next round begins before its pause is over."""
    rounds = Rounds(pause=60.0)
    supervisor.keep("round", rounds.run)
    await wait_until(lambda: rounds.count == 1, "it never began")

    supervisor.wake("round")

    await wait_until(lambda: rounds.count == 2, "it was not woken")


async def test_a_loop_that_never_waits_lets_others_run(supervisor: Supervisor) -> None:
    """Everybody else has their turn between two rounds."""
    rounds, others = Rounds(pause=None), Rounds(pause=None)

    supervisor.keep("round", rounds.run)
    supervisor.keep("others", others.run)

    await wait_until(lambda: rounds.count > 10 and others.count > 10, "one of them kept the other from its turn")


async def test_health_is_that_of_the_rounds(supervisor: Supervisor) -> None:
    """Not up before the first one is complete; a loop that is not vital is no matter."""
    hanging, idle = Rounds(), Rounds()
    hanging.hangs = idle.hangs = True
    assert await supervisor.check_health() is Health.UP
    supervisor.keep("idle", idle.run, vital=False)
    assert await supervisor.check_health() is Health.UP

    loop = supervisor.keep("round", hanging.run)

    assert await supervisor.check_health() is Health.DEGRADED
    supervisor.is_alone = True
    assert await supervisor.check_health() is Health.DOWN
    loop.complete()
    assert await supervisor.check_health() is Health.UP
    loop.completed_at -= 11
    assert await supervisor.check_health() is Health.DOWN


async def test_what_was_counted_is_not_forgotten(supervisor: Supervisor) -> None:
    """A loop that ends and begins again goes on with its sum."""
    rounds = Rounds()
    rounds.failing = Unavailable()
    loop = supervisor.keep("round", rounds.run)
    await wait_until(lambda: loop.reconnects, "it never failed")
    await supervisor.end("round")
    counted = supervisor.all_reconnects()["round"]

    rounds.failing = None
    supervisor.keep("round", rounds.run)

    assert supervisor.all_reconnects()["round"] == counted


async def test_no_two_loops_have_one_name(supervisor: Supervisor) -> None:
    """The second is a mistake of whoever starts it."""
    supervisor.keep("round", Rounds().run)

    with pytest.raises(ValueError, match="round"):
        supervisor.keep("round", Rounds().run)


# Slots


async def test_slots_are_given_while_there_are_any() -> None:
    """Up to what is asked for, and never more than there are."""
    slots = Slots(5)

    assert await slots.take(3, within=0.01) == 3
    assert await slots.take(3, within=0.01) == 2
    assert await slots.take(3, within=0.01) == 0


async def test_who_waits_for_a_slot_is_served_in_turn() -> None:
    """The first one in line first, and nobody who comes later before them."""
    slots = Slots(1)
    assert await slots.take(1, within=1) == 1
    served: list[int] = []

    async def wait_for_one(number: int) -> None:
        assert await slots.take(1, within=5) == 1
        served.append(number)
        slots.give()

    waiting = [asyncio.create_task(wait_for_one(number)) for number in range(4)]
    await wait_until(lambda: slots.contested, "nobody waited")
    slots.give()
    await asyncio.gather(*waiting)

    assert served == [0, 1, 2, 3]
    assert (slots.free, slots.contested) == (1, False)


async def test_a_slot_that_nobody_takes_any_more_is_the_next_ones() -> None:
    """Whoever was cancelled while they waited takes none with them."""
    slots = Slots(1)
    await slots.take(1, within=1)
    gone = asyncio.create_task(slots.take(1, within=5))
    next_one = asyncio.create_task(slots.take(1, within=5))
    await wait_until(lambda: slots.contested, "nobody waited")

    slots.give()
    gone.cancel()
    await asyncio.wait([gone])

    assert await next_one == 1
