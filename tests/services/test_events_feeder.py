"""Feeders: every event once and in order, whoever is killed or paused; what is gone is never passed over in silence."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Generator
from random import Random
from typing import Any

import pytest

from antiphon.core.context import Context
from antiphon.core.health import Health
from antiphon.core.runtime import Runtime
from antiphon.services.events.events import Events
from antiphon.services.events.feeder import Step
from antiphon.services.events.listener import Listener, listener
from antiphon.services.streams.keys import Keys
from antiphon.stores.base import Store
from tests.services.events_stage import (
    UNFINISHED,
    CartEmptied,
    feed_all,
    feeder_of,
    jobs_in,
    log_of,
    logged,
    parts_of,
    publish,
    running,
)

pytestmark = pytest.mark.lasting_keys(*UNFINISHED)

MANY = int(os.environ.get("TEST_EVENTS", "3000"))
"""How many events the long test feeds: 100,000 by hand."""


@listener("cart:mourn", CartEmptied)
async def mourn(ctx: Context, event: CartEmptied) -> None:
    """Nobody runs it here."""


@listener("cart:count", CartEmptied, since="start")
async def count_carts(ctx: Context, event: CartEmptied) -> None:
    """Nobody runs it here."""


async def seed(runtime: Runtime, numbers: range) -> None:
    """Events with these numbers, without a call for each."""
    (entry_id,) = await publish(runtime, CartEmptied(numbers[0]))
    del entry_id
    (first,) = await log_of(runtime).latest("cart", count=1)
    assert first.event is not None
    data = first.data.decode()
    events = [
        (f"e{number}", data.replace(first.event.id, f"e{number}").replace(f'"items":{numbers[0]}', f'"items":{number}'))
        for number in numbers[1:]
    ]
    await log_of(runtime).append("cart", [(key, each.encode()) for key, each in events])


async def queued(runtime: Runtime, heard_by: Listener[Any] = mourn) -> list[int]:
    """The numbers of the events in a listener's queue, in the order in which they would be run."""
    queues = parts_of(runtime).queues
    ready = await queues.store.client.execute_command(
        "XRANGE", Keys(queues.store).ready(heard_by.queue, "normal"), "-", "+"
    )
    jobs = await jobs_in(queues, heard_by.queue)
    by_id: dict[str, Any] = {job.id: heard_by.schema.from_json(bytes(job.inputs)) for job in jobs}
    return [by_id[fields[b"id"].decode()].event.items for _, fields in _pairs(ready)]


def _pairs(entries: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return [
        (entry_id, fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True)))
        for entry_id, fields in entries
    ]


async def settle_all(runtime: Runtime, heard_by: Listener[Any] = mourn) -> None:
    """Work through a queue and forget that anything was ever in it, as an hour later."""
    store, keys = log_of(runtime).store, Keys(log_of(runtime).store)
    jobs = await jobs_in(parts_of(runtime).queues, heard_by.queue)
    await store.client.delete(
        keys.ready(heard_by.queue, "normal"), keys.ready(heard_by.queue, "low"), *(keys.job(job.id) for job in jobs)
    )
    await store.client.hset(keys.meta(heard_by.queue), "unfinished", "0")


async def make_groups(runtime: Runtime) -> None:
    """What `begin` does when an application is deployed."""
    await runtime.require(Events, "the test").begin(runtime)


async def test_events_are_fed_in_order(store: Store) -> None:
    """What was published before is in the queue in the order of the log, and nothing twice."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(250))
        feeder = feeder_of(runtime, mourn)

        assert await feed_all(feeder) is Step.IDLE

        assert await queued(runtime) == [*range(250)]


async def test_a_new_listener_hears_of_what_comes(store: Store) -> None:
    """A listener that is deployed after an event is not told of it, unless it begins at the start."""
    async with running(store, mourn, count_carts, works=False) as runtime:
        await seed(runtime, range(3))
        await make_groups(runtime)
        await seed(runtime, range(10, 12))

        await feed_all(feeder_of(runtime, mourn))
        await feed_all(feeder_of(runtime, count_carts))

        assert await queued(runtime) == [10, 11]
        assert await queued(runtime, count_carts) == [0, 1, 2, 10, 11]


async def test_a_listener_is_fed_by_one_at_a_time(store: Store) -> None:
    """While one feeder holds the lease another does nothing; let go, it is the other's."""
    async with running(store, mourn, works=False) as runtime:
        await seed(runtime, range(1))
        one, other = feeder_of(runtime, mourn, "one"), feeder_of(runtime, mourn, "other")

        assert await one.feed() is Step.IDLE
        assert await other.feed() is Step.OTHERS
        await one.let_go()
        assert await other.feed() is Step.IDLE


class Paced:
    """Awaits a coroutine and, at its n-th wait for an answer, kills it or lets something else happen first.

    The command was sent by then, and nobody has read what came of it: the worst moment there is.
    """

    def __init__(
        self, of: Coroutine[Any, Any, Any], n: int, meanwhile: Callable[[], Coroutine[Any, Any, None]] | None = None
    ) -> None:
        self.of = of
        self.n = n
        self.meanwhile = meanwhile
        self.ended = False

    def __await__(self) -> Generator[Any, None, None]:
        at, killed, kills = 0, False, False
        while True:
            try:
                waits_for = self.of.throw(asyncio.CancelledError()) if kills else self.of.send(None)
            except StopIteration:
                self.ended = True
                return
            except asyncio.CancelledError:
                if not killed:
                    raise
                return
            at += 1
            kills = at == self.n and self.meanwhile is None
            killed = killed or kills
            if at == self.n and self.meanwhile is not None:
                yield from self.meanwhile().__await__()
            if not kills:
                yield waits_for


async def test_a_killed_feeder_neither_loses_nor_doubles(store: Store) -> None:
    """Killed at any of its steps, a feeder leaves every event in the queue once and in order for the next one."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        killed, number = 0, 0
        for at in range(1, 20):
            await seed(runtime, range(number, number + 3))
            number += 3
            killed += not await _killed(Paced(feeder_of(runtime, mourn).feed(), at))
        await feed_all(feeder_of(runtime, mourn))

        assert killed >= 5
        assert await queued(runtime) == [*range(number)]


async def _killed(feeding: Paced) -> bool:
    await feeding
    return feeding.ended


async def test_a_feeder_that_slept_for_an_hour_doubles_nothing(store: Store) -> None:
    """Paused at any step until another has fed and all that is forgotten, a feeder adds nothing when it wakes."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        found: list[int] = []

        async def an_hour() -> None:
            await store.client.delete(Keys(store).feeder("cart", "cart:mourn"))
            await feed_all(feeder_of(runtime, mourn, "other"))
            found.extend(await queued(runtime))
            await settle_all(runtime)
            await feeder_of(runtime, mourn, "other").let_go()

        number = 0
        for at in range(1, 12):
            await seed(runtime, range(number, number + 3))
            number += 3
            await Paced(feeder_of(runtime, mourn).feed(), at, an_hour)
            await feeder_of(runtime, mourn).let_go()
            await feed_all(feeder_of(runtime, mourn))
            found.extend(await queued(runtime))
            await settle_all(runtime)
            await feeder_of(runtime, mourn).let_go()

        assert found == [*range(number)]


@pytest.mark.parametrize("chance", range(6))
async def test_any_number_of_feeders_feed_once(store: Store, chance: int) -> None:
    """Feeders that all believe to be the only one, killed at random, put every event into the queue once, in order."""
    random = Random(chance)
    async with running(store, mourn, works=False, environ={"EVENTS_BATCH": "7"}) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(100))

        async def feed_at_random(name: str) -> None:
            while True:
                await store.client.delete(Keys(store).feeder("cart", "cart:mourn"))
                feeding = Paced(feeder_of(runtime, mourn, name).feed(), random.randint(1, 12))
                await feeding
                if feeding.ended and len(await queued(runtime)) == 100:
                    return

        await asyncio.gather(*(feed_at_random(name) for name in "abc"))

        assert await queued(runtime) == [*range(100)]


async def test_the_group_follows_the_cursor(store: Store) -> None:
    """Whoever looks at the log sees how far a listener is."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(5))
        before = await runtime.require(Events, "the test").listeners.state("cart:mourn")

        await feed_all(feeder_of(runtime, mourn))
        await feeder_of(runtime, mourn).feed()
        after = await runtime.require(Events, "the test").listeners.state("cart:mourn")

        assert (before.lag, after.lag, after.unfinished) == (5, 0, 5)


async def test_a_lost_cursor_begins_where_its_group_is(store: Store) -> None:
    """A store that has lost what lies beside the queue feeds on from what the log remembers."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(5))
        await feed_all(feeder_of(runtime, mourn))
        await feeder_of(runtime, mourn).feed()
        await settle_all(runtime)
        await store.client.delete(Keys(store).meta(mourn.queue))
        await seed(runtime, range(5, 8))

        await feed_all(feeder_of(runtime, mourn))

        assert await queued(runtime) == [5, 6, 7]


async def test_an_emptied_log_is_read_from_where_it_begins(store: Store) -> None:
    """A log that was lost and begins anew is fed from its first event."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(5))
        await feed_all(feeder_of(runtime, mourn))
        await settle_all(runtime)
        await store.client.delete(log_of(runtime).keys.log("cart"))
        await seed(runtime, range(20, 23))

        await feed_all(feeder_of(runtime, mourn))

        assert await queued(runtime) == [20, 21, 22]
        assert await runtime.require(Events, "the test").check_health() is Health.UP


async def test_a_full_queue_makes_the_feeder_wait(store: Store) -> None:
    """No more than `events.ahead` events wait in a queue; the others come when there is room, in their order."""
    async with running(store, mourn, works=False, environ={"EVENTS_AHEAD": "10"}) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(25))
        feeder, found = feeder_of(runtime, mourn), list[int]()

        while True:
            step = await feed_all(feeder)
            batch = await queued(runtime)
            assert len(batch) <= 10
            found += batch
            await settle_all(runtime)
            if step is Step.IDLE:
                break

        assert found == [*range(25)]


async def test_a_gap_is_told_once_and_stays_red(store: Store) -> None:
    """A listener behind what is kept is fed what is left, and red until somebody accepts what it has missed."""
    async with running(store, mourn, count_carts, works=False, environ={"EVENTS_MAX_EVENTS": "100"}) as runtime:
        await make_groups(runtime)
        events = runtime.require(Events, "the test")
        await seed(runtime, range(10))
        await feed_all(feeder_of(runtime, count_carts))
        await feed_all(feeder_of(runtime, mourn))
        for start in range(10, 600, 10):
            await seed(runtime, range(start, start + 10))
            await feed_all(feeder_of(runtime, count_carts))
        left = len(await logged(runtime, "cart"))

        await feed_all(feeder_of(runtime, mourn))
        red = await events.check_health()
        gap = (await events.listeners.state("cart:mourn")).gap
        other = (await events.listeners.state("cart:count")).gap
        await events.listeners.accept("cart:mourn")

        assert await queued(runtime) == [*range(10), *range(600 - left, 600)]
        assert red is Health.DOWN
        assert gap is not None
        assert gap.events == 600 - left - 10
        assert gap.since <= gap.until
        assert other is None
        assert events.counts.gaps == {"cart:mourn": 1}
        assert await queued(runtime, count_carts) == [*range(600)]
        assert await events.check_health() is Health.UP


async def test_a_log_that_is_gone_is_a_gap_as_well(store: Store) -> None:
    """A listener whose events were all too old to be kept is told how many they were."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(30))
        await feed_all(feeder_of(runtime, mourn))
        await seed(runtime, range(30, 45))
        await store.client.execute_command("XTRIM", log_of(runtime).keys.log("cart"), "MAXLEN", 0)

        await feed_all(feeder_of(runtime, mourn))
        await seed(runtime, range(45, 47))
        await feed_all(feeder_of(runtime, mourn))

        gap = (await runtime.require(Events, "the test").listeners.state("cart:mourn")).gap
        assert gap is not None
        assert gap.events == 15
        assert await queued(runtime) == [*range(30), 45, 46]


async def test_two_gaps_are_one_complaint(store: Store) -> None:
    """What was missed later is added to what nobody has accepted yet."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        log = log_of(runtime).keys.log("cart")
        for start in (0, 10):
            await seed(runtime, range(start, start + 10))
            await store.client.execute_command("XTRIM", log, "MAXLEN", 3)
            await feed_all(feeder_of(runtime, mourn))

        gap = (await runtime.require(Events, "the test").listeners.state("cart:mourn")).gap
        assert gap is not None
        assert gap.events == 14


async def test_what_is_no_event_is_passed_over_and_told(store: Store) -> None:
    """An entry that somebody wrote by hand stops nobody, and is no gap."""
    async with running(store, mourn, works=False) as runtime:
        await make_groups(runtime)
        await seed(runtime, range(2))
        await store.client.execute_command("XADD", log_of(runtime).keys.log("cart"), "*", "event", "{")
        await seed(runtime, range(2, 4))

        await feed_all(feeder_of(runtime, mourn))

        events = runtime.require(Events, "the test")
        assert await queued(runtime) == [0, 1, 2, 3]
        assert events.counts.undecodable == 1
        assert events.counts.gaps == {}


async def test_many_events_are_fed_and_none_is_lost(store: Store) -> None:
    """However many there are, while they are published and worked through, each is fed once."""
    # What is known by its id would be a key for each of them, and the look at what is left has to read them all.
    async with running(store, mourn, works=False, environ={"EVENTS_SEEN_TIME": "5ms"}) as runtime:
        await make_groups(runtime)
        found: list[int] = []
        for start in range(0, MANY, 1000):
            await seed(runtime, range(start, min(MANY, start + 1000)))
            while await feed_all(feeder_of(runtime, mourn)) is not Step.IDLE:
                found += await queued(runtime)
                await settle_all(runtime)
        found += await queued(runtime)

        assert found == [*range(MANY)]
