"""Fan-outs that are stopped: by a dead child where that was asked for, or by somebody."""

from __future__ import annotations

import pytest

from antiphon.services.streams.players import BatchReports, JobPlayer
from antiphon.services.streams.values import Dead, Done
from antiphon.services.tasks.batches import BatchCounts
from antiphon.services.tasks.fanning import send_children, stop_children
from antiphon.stores.base import Store
from tests.services.batches_stage import publish, staged
from tests.services.tasks_stage import KEPT, context, jobs_in

pytestmark = pytest.mark.lasting_keys(*KEPT)


async def test_the_first_dead_child_stops_the_rest(store: Store) -> None:
    """With `fail_fast` those that wait are cancelled, those that run are told to stop, and `then` hears of it."""
    async with staged(store) as stage:
        batch = await stage.fan_out(120, then=publish.bind(5), fail_fast=True)
        await stage.play(batch)
        children = await stage.children(batch)
        first, second = await stage.begin(children[0]), await stage.begin(children[1])

        await stage.batches.report(first.message, "dead", error={"type": "DEFECT", "message": "x"})
        await stage.queues.settle(first, Dead("attempts"))
        stopper = next(message for message in await jobs_in(stage.runtime, "photos") if message.action == "tasks:stop")
        await stage.run(stopper)
        assert await stage.children(batch) == [second.message]
        await stage.batches.report(second.message, "cancelled")

        assert await stage.waiting() == ["album:publish"]
        assert await stage.batches.counts(batch.id) == BatchCounts(120, 0, 1, 119)


async def test_a_fan_out_that_is_stopped_sends_no_more(store: Store) -> None:
    """The dead child may be one of the first: what was not sent yet never is."""
    async with staged(store) as stage:
        batch = await stage.fan_out(450, then=publish.bind(5), fail_fast=True)

        async def one_is_dead(share: float, note: str) -> None:
            children = await stage.children(batch)
            await stage.batches.report(children[0], "dead", error={"type": "DEFECT", "message": "x"})

        await stage.play(batch, one_is_dead)
        sent = len(await stage.children(batch))
        stopper = next(message for message in await jobs_in(stage.runtime, "photos") if message.action == "tasks:stop")
        await stage.run(stopper)

        assert sent < 450
        assert [child.id for child in await stage.children(batch)] == [f"photos.{batch.id}:0"]
        assert "album:publish" in await stage.waiting()
        assert await stage.batches.counts(batch.id) == BatchCounts(450, 0, 1, 449)


async def test_one_dead_child_stops_nobody_where_it_was_not_asked_for(store: Store) -> None:
    """Without `fail_fast` the others go on."""
    async with staged(store) as stage:
        batch = await stage.fan_out(3)
        await stage.play(batch)
        one, *others = await stage.children(batch)

        await stage.batches.report(one, "dead")

        assert [message.id for message in (await stage.children(batch))[1:]] == [message.id for message in others]
        assert "tasks:stop" not in await stage.waiting("photos")


async def test_stopping_finds_those_that_ended_unheard(store: Store) -> None:
    """A worker may die between the end of a child and its report: whoever stops the rest reports it."""
    async with staged(store) as stage:
        batch = await stage.fan_out(2)
        await stage.play(batch)
        running = await stage.begin((await stage.children(batch))[0])
        await stage.queues.settle(running, Done(b"7"))

        await stage.batches.stop(context(stage.runtime), batch.id)

        assert await stage.batches.counts(batch.id) == BatchCounts(2, 1, 0, 1)


async def test_the_jobs_of_a_fan_out_are_no_actions_of_the_application(store: Store) -> None:
    """No caller finds them by name; a worker plays them."""
    async with staged(store) as stage:
        assert not {send_children.name, stop_children.name} & stage.runtime.actions.keys()
        assert isinstance(stage.batches, JobPlayer)
        assert isinstance(stage.batches, BatchReports)
        assert stage.batches.queues() == ()
