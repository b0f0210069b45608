"""Replays, and what else operators do with listeners."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from antiphon.core.context import Context
from antiphon.core.errors import Conflict, InvalidInput, NotFound
from antiphon.core.health import Health
from antiphon.core.runtime import Runtime
from antiphon.services.events.events import Events
from antiphon.services.events.feeder import Step
from antiphon.services.events.listener import listener
from antiphon.services.events.steering import Steering
from antiphon.services.streams.message import JobMessage
from antiphon.stores.base import Store
from tests.services.events_stage import (
    UNFINISHED,
    CartEmptied,
    OrderPaid,
    OrderShipped,
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

BEGINNING = "2020-01-01T00:00Z"


@listener("receipt:send", OrderPaid, since="start")
async def send_receipt(ctx: Context, event: OrderPaid) -> None:
    """Nobody runs it here."""


def steering(runtime: Runtime) -> Steering:
    """What operators use."""
    return runtime.require(Events, "the test").listeners


async def feed(runtime: Runtime) -> list[JobMessage]:
    """Feed everything; the jobs that came of replays, in the order of their ids."""
    feeder = feeder_of(runtime, send_receipt)
    while await feed_all(feeder) is not Step.IDLE:
        pass
    jobs = await jobs_in(parts_of(runtime).queues, send_receipt.queue)
    return sorted((job for job in jobs if job.replay), key=lambda job: job.id)


def orders(jobs: list[JobMessage]) -> list[Any]:
    """The orders that jobs are about."""
    read: list[Any] = [send_receipt.schema.from_json(bytes(job.inputs)) for job in jobs]
    return [inputs.event.order_id for inputs in read]


async def test_a_replay_tells_a_range_again(store: Store) -> None:
    """From an event on to another, both included, under new ids of jobs and the old names of their effects."""
    async with running(store, send_receipt, works=False) as runtime:
        ids = await publish(runtime, *(OrderPaid(name, 1) for name in "abcde"), OrderShipped("f"))
        assert await feed(runtime) == []

        await steering(runtime).replay("receipt:send", ids[1], ids[3])
        jobs = await feed(runtime)

    assert orders(jobs) == ["b", "c", "d"]
    assert [job.once for job in jobs] == [f"on.receipt:send.{event_id}" for event_id in ids[1:4]]
    assert not {job.id for job in jobs} & {job.once for job in jobs}
    assert {job.priority for job in jobs} == {"low"}


async def test_a_replay_from_a_time_goes_to_the_end_of_now(store: Store) -> None:
    """What is published after a replay has begun is no part of it."""
    async with running(store, send_receipt, works=False) as runtime:
        await publish(runtime, OrderPaid("a", 1), OrderPaid("b", 1))
        await steering(runtime).replay("receipt:send", BEGINNING)
        await publish(runtime, OrderPaid("c", 1))

        jobs = await feed(runtime)
        state = await steering(runtime).state("receipt:send")

    assert orders(jobs) == ["a", "b"]
    assert state.replay is None


async def test_a_replay_of_one_key_leaves_the_others(store: Store) -> None:
    """Only the events with that key are told again; `again` makes their effects new ones."""
    async with running(store, send_receipt, works=False) as runtime:
        await publish(runtime, OrderPaid("a", 1), OrderPaid("b", 1), OrderPaid("a", 2))
        await feed(runtime)

        await steering(runtime).replay("receipt:send", BEGINNING, key="a", again=True)
        jobs = await feed(runtime)

    assert orders(jobs) == ["a", "a"]
    assert [job.once for job in jobs] == ["", ""]


async def test_one_replay_at_a_time(store: Store) -> None:
    """While one runs another is a conflict, and afterwards the next may begin; each has jobs of its own."""
    async with running(store, send_receipt, works=False, environ={"EVENTS_BATCH": "2"}) as runtime:
        await publish(runtime, *(OrderPaid(str(number), 1) for number in range(5)))
        await steering(runtime).replay("receipt:send", BEGINNING)
        with pytest.raises(Conflict):
            await steering(runtime).replay("receipt:send", BEGINNING)

        assert len(await feed(runtime)) == 5
        await steering(runtime).replay("receipt:send", BEGINNING)
        assert len(await feed(runtime)) == 10


async def test_a_replay_keeps_to_half_of_the_room(store: Store) -> None:
    """What is new finds room while something is told again."""
    async with running(store, send_receipt, works=False, environ={"EVENTS_AHEAD": "10"}) as runtime:
        await publish(runtime, *(OrderPaid(str(number), 1) for number in range(20)))
        feeder = feeder_of(runtime, send_receipt)
        await feed_all(feeder)
        await steering(runtime).replay("receipt:send", BEGINNING)

        assert await feed_all(feeder) is Step.FULL
        assert len(await jobs_in(parts_of(runtime).queues, send_receipt.queue)) == 10


async def test_a_replay_asks_for_something_that_is_there(store: Store) -> None:
    """An unknown listener, id or order of times is refused by name."""
    async with running(store, send_receipt, works=False) as runtime:
        await publish(runtime, OrderPaid("a", 1))
        (kept,) = await logged(runtime, "order")
        for name, since, until, error in (
            ("nobody", BEGINNING, "", NotFound),
            ("receipt:send", "no such id", "", InvalidInput),
            ("receipt:send", "2026-01-01T00:00", "", InvalidInput),
            ("receipt:send", kept.place.entry_id, BEGINNING, InvalidInput),
        ):
            with pytest.raises(error):
                await steering(runtime).replay(name, since, until)


async def test_a_replay_ends_the_complaint_about_a_gap(store: Store) -> None:
    """Whoever has told again what is left knows that something is missing."""
    async with running(store, send_receipt, works=False) as runtime:
        events = runtime.require(Events, "the test")
        await events.begin(runtime)
        await publish(runtime, OrderPaid("a", 1), OrderPaid("b", 1))
        await store.client.execute_command("XTRIM", log_of(runtime).keys.log("order"), "MAXLEN", 1)
        await feed(runtime)
        red = await events.check_health()

        await steering(runtime).replay("receipt:send", BEGINNING)

        assert red is Health.DOWN
        assert await events.check_health() is Health.UP
        with pytest.raises(NotFound):
            await steering(runtime).accept("receipt:send")


async def test_a_retired_listener_can_be_dropped(store: Store) -> None:
    """One that no code declares any more is shown until it is dropped; one in use stays."""
    async with running(store, send_receipt, works=False) as runtime:
        await publish(runtime, OrderPaid("a", 1))
        await feed(runtime)
        with pytest.raises(Conflict):
            await steering(runtime).drop("receipt:send")
    async with running(store, works=False) as runtime:
        (retired,) = await steering(runtime).states()
        await steering(runtime).drop("receipt:send")

        assert (retired.name, retired.declared, retired.stream) == ("receipt:send", False, "order")
        assert await steering(runtime).states() == []
        with pytest.raises(NotFound):
            await steering(runtime).drop("receipt:send")


async def test_other_services_groups_are_theirs(store: Store) -> None:
    """A group of another service is no listener of ours."""
    async with running(store, works=False) as runtime:
        await publish(runtime, OrderPaid("a", 1))
        await store.client.execute_command("XGROUP", "CREATE", log_of(runtime).keys.log("order"), "x-billing", "0")

        assert await steering(runtime).states() == []


async def test_a_log_is_listed_newest_first(store: Store) -> None:
    """Page by page, each before the last of the one before."""
    async with running(store, works=False) as runtime:
        ids = await publish(runtime, *(CartEmptied(number) for number in range(3)))
        page = await steering(runtime).latest("cart", count=2)
        rest = await steering(runtime).latest("cart", before=page[-1].place.entry_id)

        assert [kept.event.id for kept in (*page, *rest) if kept.event is not None] == ids[::-1]
        assert page[0].at - rest[0].at < timedelta(minutes=1)
        with pytest.raises(InvalidInput):
            await steering(runtime).latest("cart", before="x")
