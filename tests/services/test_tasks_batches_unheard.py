"""Children of fan-outs that end unheard, because their worker died between their end and their report."""

from __future__ import annotations

from datetime import timedelta

import pytest

from antiphon.services.streams.message import JobError
from antiphon.services.streams.values import Dead, Done, Quarantined, Refused
from antiphon.services.tasks.batches import BatchCounts
from antiphon.stores.base import Store
from antiphon.testing.waiting import wait_until
from tests.services.batches_stage import Stage, publish, staged
from tests.services.streams_stage import state_of
from tests.services.tasks_stage import KEPT

pytestmark = pytest.mark.lasting_keys(*KEPT)

SOON = timedelta(milliseconds=10)


async def known(stage: Stage) -> int:
    """How many batches are known as not finished."""
    return int(await stage.queues.store.client.execute_command("ZCARD", stage.queues.keys.known("batches")))


async def set_aside(stage: Stage, job_id: str) -> bool:
    """Take over what a dead worker held; whether the job was refused then, and nobody told."""
    answers = await stage.queues.start(await stage.queues.claim("w2", ["photos"], 10), "w2")
    return any(isinstance(each, Refused) and each.entry.job_id == job_id for each in answers)


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [
        (Done(b"7"), BatchCounts(2, 2, 0, 0)),
        (Dead("attempts", JobError("DEFECT", "x")), BatchCounts(2, 1, 1, 0)),
        (Quarantined("poison", JobError("CRASHED", "x")), BatchCounts(2, 1, 1, 0)),
    ],
)
async def test_a_child_that_ended_unheard_is_found(
    store: Store, outcome: Done | Dead | Quarantined, counted: BatchCounts
) -> None:
    """However it ended, its batch hears of it at the next look, and is finished when it was the last one."""
    async with staged(store, batch_look_time=SOON) as stage:
        batch = await stage.fan_out(2, then=publish.bind(5))
        await stage.play(batch)
        first, second = [await stage.begin(child) for child in await stage.children(batch)]
        await stage.batches.report(first.message, "done", result=b"1")
        await stage.queues.settle(first, Done(b"1"))
        await stage.queues.settle(second, outcome)
        assert await stage.waiting() == []

        await stage.batches.look(batch.id)

        assert await stage.waiting() == ["album:publish"]
        assert await stage.batches.counts(batch.id) == counted
        assert await known(stage) == 0


async def test_a_child_whose_crashes_ended_it_is_found(store: Store) -> None:
    """Whoever sets poison aside may die before it has said so; the batch ends all the same."""
    async with staged(store, streams={"lease_time": 2 * SOON, "renew_time": SOON, "max_crashes": 1}) as stage:
        batch = await stage.fan_out(1, then=publish.bind(5))
        await stage.play(batch)
        running = await stage.begin((await stage.children(batch))[0])

        # Their worker dies with the job that sent them off, and whoever takes them over dies next.
        await wait_until(lambda: set_aside(stage, running.job_id), "nobody ever took over from the dead worker")
        assert await state_of(stage.queues, running.job_id) == "quarantined"
        await stage.batches.look(batch.id)

        assert await stage.waiting() == ["album:publish"]
        assert await stage.batches.counts(batch.id) == BatchCounts(1, 0, 1, 0)


async def test_a_child_that_is_gone_is_dead(store: Store) -> None:
    """One that was dropped, or lost by the store, is waited for by nobody."""
    async with staged(store) as stage:
        batch = await stage.fan_out(1, then=publish.bind(5))
        await stage.play(batch)
        running = await stage.begin((await stage.children(batch))[0])
        await stage.queues.settle(running, Dead("attempts"))
        await stage.queues.drop(running.job_id)

        await stage.batches.look(batch.id)

        assert await stage.waiting() == ["album:publish"]
        assert await stage.batches.counts(batch.id) == BatchCounts(1, 0, 1, 0)


async def test_children_that_have_not_ended_are_left_alone(store: Store) -> None:
    """A batch that is looked at while it goes on is not changed."""
    async with staged(store) as stage:
        batch = await stage.fan_out(3, then=publish.bind(5))
        await stage.play(batch)
        await stage.begin((await stage.children(batch))[0])

        await stage.batches.look(batch.id)

        assert await stage.batches.counts(batch.id) == BatchCounts(3, 0, 0, 0)
        assert len(await stage.children(batch)) == 3
        assert await known(stage) == 1


async def test_a_batch_whose_last_report_was_cut_off_is_finished(store: Store) -> None:
    """All have reported and `then` was never sent: the next look sends it."""
    async with staged(store) as stage:
        batch = await stage.fan_out(1, then=publish.bind(5))
        await stage.play(batch)
        running = await stage.begin((await stage.children(batch))[0])
        await stage.batches.report(running.message, "done")
        # What a worker leaves that dies after the report and before the rest.
        await stage.queues.store.client.hdel(stage.queues.keys.batch(batch.id), "finished")

        await stage.batches.look(batch.id)

        assert await stage.queues.store.client.hget(stage.queues.keys.batch(batch.id), "finished") == b"1"
        assert await stage.waiting() == ["album:publish"]


async def test_a_round_looks_at_each_batch_once(store: Store) -> None:
    """What has been looked at rests for a while, whichever worker it was; a new batch has its time before that."""
    async with staged(store, batch_look_time=SOON) as one, staged(store, batch_look_time=timedelta(hours=1)) as two:
        batch = await two.fan_out(1, then=publish.bind(5))
        await two.play(batch)
        running = await two.begin((await two.children(batch))[0])
        await two.queues.settle(running, Done(b"1"))

        await one.batches.look_round()
        assert await one.batches.counts(batch.id) == BatchCounts(1, 0, 0, 0)
        key = one.queues.keys.known("batches")
        await one.queues.store.client.execute_command("ZADD", key, "XX", 1, batch.id)
        await one.batches.look_round()

        assert await one.batches.counts(batch.id) == BatchCounts(1, 1, 0, 0)
