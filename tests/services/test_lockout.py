"""The lockout: wrong guesses cost time, right ones are forgiven, and nobody is locked out for good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from random import Random

import pytest

from antiphon.core.errors import NotSignedIn, TooManyCalls, Unavailable
from antiphon.core.log import Silent
from antiphon.services.limits.guesses import (
    GUESS,
    Door,
    LocalGuesses,
    Rule,
    Step,
    begin_arguments,
    end_arguments,
    read_begun,
)
from antiphon.stores.base import Store
from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from tests.services.limits_stage import Stage, keys, lasting, staged

HERE, THERE = "192.0.2.1", "198.51.100.1"
SECOND = timedelta(seconds=1)
ENDS: list[list[Step]] = [["back", "back"], ["forget", "back"]]


class Guesser:
    """Guesses passwords."""

    def __init__(self, stage: Stage, clock: StandingClock | None = None) -> None:
        self.stage = stage
        self.clock = clock

    async def fails(self, name: str = "ada", address: str = HERE) -> float:
        """Guess wrong. Gives how long to wait if the guess is refused, else 0."""
        return await self._guess(name, address, NotSignedIn())

    async def succeeds(self, name: str = "ada", address: str = HERE) -> float:
        """Guess right."""
        return await self._guess(name, address, None)

    async def _guess(self, name: str, address: str, error: Exception | None) -> float:
        try:
            async with self.stage.lockout.guess(self.stage.context(address=address), name):
                if error is not None:
                    raise error
        except TooManyCalls as refused:
            return refused.retry_after
        except NotSignedIn:
            pass
        return 0.0

    async def fail_often(self, times: int, name: str = "ada", address: str = HERE) -> list[float]:
        """Guess wrong so many times, waiting by the clock as told. Gives the waits."""
        waits: list[float] = []
        assert self.clock is not None
        while len(waits) < times:
            wait = await self.fails(name, address)
            while wait:
                waits.append(wait)
                self.clock.move(timedelta(seconds=wait))
                wait = await self.fails(name, address)
        return waits


@pytest.fixture
async def guesser(store: Store) -> AsyncIterator[Guesser]:
    """One who guesses against the store."""
    async with staged(store, store_time="5s") as stage:
        yield Guesser(stage)


@pytest.fixture
async def timed() -> AsyncIterator[Guesser]:
    """One who guesses against a process alone, whose clock can be moved."""
    clock = StandingClock()
    async with ValkeyServer(persistent=False) as server:
        away = Store(server.url, prefix="t", log=Silent())
        await server.kill()
        async with staged(away, clock) as stage:
            yield Guesser(stage, clock)
        await away.close()


# One address at one account


async def test_five_failures_are_free(guesser: Guesser) -> None:
    """The sixth is looked at as well, and then the door is shut."""
    assert [await guesser.fails() for _ in range(6)] == [0] * 6

    assert 0 < await guesser.fails() <= 1


async def test_a_right_guess_is_refused_while_the_door_is_shut(guesser: Guesser) -> None:
    """Whoever knows the password waits like everybody else, so that the answer tells nothing."""
    for _ in range(6):
        await guesser.fails()

    assert await guesser.succeeds() > 0


async def test_many_at_once_find_no_open_door(guesser: Guesser) -> None:
    """Fifty guesses at the same moment are six, and the others are refused."""
    waits = await asyncio.gather(*(guesser.fails() for _ in range(50)))

    assert sum(wait == 0 for wait in waits) == 6


async def test_the_wait_doubles(timed: Guesser) -> None:
    """One second, two, four, up to a quarter of an hour and no longer."""
    waits = await timed.fail_often(12)

    assert waits == [*(2.0**power for power in range(10)), 900, 900]


async def test_knocking_keeps_no_door_shut(timed: Guesser) -> None:
    """A refused guess does not count: the wait is over when it was said to be."""
    assert timed.clock is not None
    for _ in range(6):
        await timed.fails()
    for _ in range(30):
        await timed.fails()

    timed.clock.move(SECOND)

    assert await timed.succeeds() == 0


async def test_a_right_guess_forgets_the_failures_before_it(guesser: Guesser) -> None:
    """Whoever signs in begins anew."""
    for _ in range(5):
        await guesser.fails()

    assert await guesser.succeeds() == 0
    assert [await guesser.fails() for _ in range(6)] == [0] * 6


async def test_a_day_of_quiet_forgets(timed: Guesser) -> None:
    """After 24 hours without a failure the first five are free again."""
    assert timed.clock is not None
    await timed.fail_often(3)

    timed.clock.move(timedelta(hours=24))

    assert [await timed.fails() for _ in range(6)] == [0] * 6
    assert await timed.fails() == 1


async def test_another_address_is_not_locked_out(guesser: Guesser) -> None:
    """Whoever guesses from one address does not keep the owner away from another."""
    for _ in range(7):
        await guesser.fails(address=THERE)

    assert await guesser.succeeds(address=HERE) == 0


async def test_names_are_counted_as_they_are_looked_up(guesser: Guesser) -> None:
    """Another case of the letters is no other account."""
    for name in ("ada", "Ada", "ADA", "aDa", "adA", "AdA"):
        await guesser.fails(name)

    assert await guesser.fails("aDA") > 0


async def test_a_guess_that_could_not_be_looked_at_is_none(guesser: Guesser) -> None:
    """When the database is away nobody has guessed wrong."""
    for _ in range(20):
        with pytest.raises(Unavailable):
            async with guesser.stage.lockout.guess(guesser.stage.context(), "ada"):
                raise Unavailable

    assert await guesser.fails() == 0


# One account, from everywhere


async def test_fifty_failures_an_hour_from_everywhere_shut_an_account(timed: Guesser) -> None:
    """A crowd of addresses gets fifty guesses and one more, then waits that double up to a minute."""
    assert timed.clock is not None
    for number in range(51):
        assert await timed.fails(address=f"10.0.0.{number}") == 0

    waits: list[float] = []
    for number in range(8):
        waits.append(await timed.fails(address=f"10.0.1.{number}"))
        timed.clock.move(timedelta(seconds=waits[-1]))
        assert await timed.fails(address=f"10.0.1.{number}") == 0

    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_failures_of_an_hour_ago_are_free(timed: Guesser) -> None:
    """Fifty each hour cost an account nothing."""
    assert timed.clock is not None
    for round_ in range(3):
        for number in range(50):
            assert await timed.fails(address=f"10.{round_}.0.{number}") == 0
        timed.clock.move(timedelta(hours=1))


async def test_a_right_guess_does_not_count_against_the_account(timed: Guesser) -> None:
    """However often somebody signs in, the account stays open."""
    for number in range(120):
        assert await timed.succeeds(address=f"10.0.{number}.1") == 0


# One address, at all accounts


async def test_an_address_that_tries_every_account_waits(timed: Guesser) -> None:
    """After a hundred failures and one an address waits a quarter of an hour, whatever account it asks for."""
    assert timed.clock is not None
    for number in range(101):
        assert await timed.fails(f"user-{number}") == 0

    assert await timed.fails("user-999") == 900
    assert await timed.succeeds("ada") == 900
    assert await timed.succeeds("ada", THERE) == 0


async def test_a_right_guess_does_not_open_an_address(timed: Guesser) -> None:
    """With an account of one's own one cannot wash off the failures at others."""
    for number in range(100):
        await timed.fails(f"user-{number}")
    await timed.succeeds("mine")
    await timed.fails("user-100")

    assert await timed.fails("user-101") == 900


# In the store


async def test_keys_have_a_lifetime_and_no_name(guesser: Guesser, store: Store) -> None:
    """Nothing stays for good, and the store's content does not say who was guessed at."""
    for _ in range(7):
        await guesser.fails("ada@example.com")
    await guesser.succeeds("ben@example.com", THERE)

    assert await lasting(store) == []
    assert not any("ada" in name or "ben" in name for name in await keys(store))


async def test_the_store_counts_guesses_as_a_process_does(store: Store) -> None:
    """The script and a process alone say the same to the microsecond, whatever comes when."""
    quick = Rule(3, 40_000, 1_000, 8_000, 60_000_000)
    patient = Rule(2, 60_000_000, 2_000, 30_000, 60_000_000)

    await _count_in_both(store, [Door("{k}:a", quick), Door("{k}:b", patient)], 300)


async def test_they_agree_at_the_highest_level(store: Store) -> None:
    """Where the wait has long stopped to grow a right guess still opens the door that it has shut."""
    strict = Rule(0, 60_000_000, 1, 100, 60_000_000)

    await _count_in_both(store, [Door("{k}:a", strict), Door("{k}:b", strict)], 150)


async def _count_in_both(store: Store, doors: list[Door], times: int) -> None:
    random, local = Random(11), LocalGuesses(100)
    names = [store.key(door.key) for door in doors]
    for _ in range(times):
        begun = read_begun(await store.run(GUESS, names, begin_arguments(doors)))

        assert local.begin(doors, begun.at) == begun
        if not begun.wait and random.random() < 0.4:
            steps: list[Step] = random.choice(ENDS)
            await store.run(GUESS, names, end_arguments(doors, steps, begun))
            local.end(doors, steps, begun)
        await asyncio.sleep(random.choice([0, 0.001, 0.003]))
