"""Events and batches while their workers die: gaps are told, events arrive once and in order, `then` comes once."""

from __future__ import annotations

import asyncio
import os
from signal import SIGCONT, SIGKILL, SIGSTOP

from redis.exceptions import ResponseError

from antiphon.core.health import Health
from antiphon.core.runtime import Runtime
from antiphon.services.events.events import Events
from antiphon.testing.waiting import wait_until
from tests.faults.streams_app import OrderPaid, batch_end, child
from tests.faults.streams_process import PATIENCE, Fleet, call_in, queues_of, reaches

EVENTS = int(os.environ.get("CHAOS_EVENTS", "800"))
"""How many events are fed while feeders die; `CHAOS_EVENTS=100000` is the number of the promise, by hand."""

MORE_PATIENCE = EVENTS / 20
CHILDREN = 300
THEN = 999_999


async def test_a_gap_is_never_silent(fleet: Fleet) -> None:
    """S21: a listener falls behind what is kept: the gap is shown and told, health is red, others hear all."""
    limits = {"EVENTS_MAX_EVENTS": "100", "EVENTS_AHEAD": "10"}
    async with fleet.here(environ=limits) as runtime, fleet.worker(environ=limits) as worker:
        events = runtime.require(Events, "the test")
        events.know(runtime)
        await wait_until(lambda: _listening(runtime), "the listeners were never known", within=PATIENCE)
        await queues_of(runtime).pause("on.slow:hear")
        for number in range(800):
            await call_in(runtime).publish(OrderPaid("a", number))
            if number % 20 == 19:
                await fleet.sees("fast", number + 1)
        await queues_of(runtime).resume("on.slow:hear")

        async def shown() -> bool:
            return (await events.listeners.state("slow:hear")).gap is not None

        await wait_until(shown, "the gap was never shown", within=PATIENCE)
        assert await events.check_health() is Health.DOWN
        assert (await events.listeners.state("fast:hear")).gap is None
        assert [line.number for line in fleet.lines("fast")] == [*range(800)]
        await wait_until(lambda: "gap" in worker.said, "nobody told of the gap", within=PATIENCE)


async def _listening(runtime: Runtime) -> bool:
    """Whether both listeners have their place in the log."""
    queues = queues_of(runtime)
    try:
        groups = await queues.store.client.xinfo_groups(queues.keys.log("order"))
    except ResponseError:
        return False
    return len(groups) == 2


async def test_a_feeder_neither_loses_nor_doubles(fleet: Fleet) -> None:
    """S22: feeders are killed and paused while events arrive: each is one job, in order, none is lost."""
    kept = {"EVENTS_MAX_EVENTS": str(2 * EVENTS)}
    async with (
        fleet.here(environ=kept) as runtime,
        fleet.worker(environ=kept) as first,
        fleet.worker(environ=kept) as second,
    ):
        await wait_until(lambda: _listening(runtime), "the listeners were never known", within=PATIENCE)

        async def publish() -> None:
            for number in range(EVENTS):
                await call_in(runtime).publish(OrderPaid("a", number))

        publishing = asyncio.create_task(publish())
        await fleet.sees("fast", 100)
        first.send(SIGKILL)
        async with fleet.worker(environ=kept) as third:
            await fleet.sees("fast", 300)
            second.send(SIGSTOP)
            await fleet.sees("fast", 500)
            third.send(SIGKILL)
            second.send(SIGCONT)
            await publishing
            await wait_until(
                lambda: len({line.job for line in fleet.lines("fast")}) == EVENTS,
                "events were lost",
                within=PATIENCE + MORE_PATIENCE,
            )

    for word in ("fast", "slow"):
        seen = list({line.job: line.number for line in fleet.lines(word)}.values())
        assert seen == [*range(len(seen))]
    again = len(fleet.lines("fast")) - EVENTS
    # Only what a killed or paused worker held may run again.
    assert again <= 3


async def test_a_fan_out_is_completed(fleet: Fleet) -> None:
    """S23: workers are killed while a batch is sent off and worked through: each child once, and `then` once."""
    async with fleet.here() as runtime, fleet.worker() as first, fleet.worker() as second:
        batch = await call_in(runtime).fan_out(
            [child.bind(number) for number in range(CHILDREN)], then=batch_end.bind(THEN)
        )
        await fleet.sees("child")
        first.send(SIGKILL)
        await fleet.sees("child", CHILDREN // 3)
        async with fleet.worker():
            second.send(SIGKILL)

            (then,) = await fleet.sees("then")

            await reaches(runtime, batch.job_id, "done")
            await reaches(runtime, then.job, "done")
    assert then.number == CHILDREN
    assert fleet.effects() == {**dict.fromkeys(range(CHILDREN), 1), THEN: 1}
    assert len({line.job for line in fleet.lines("child")}) == CHILDREN
