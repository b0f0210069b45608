"""Fan-outs: every call once, every end counted once, `then` once, whoever is killed in between."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from antiphon.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from antiphon.core.job import Run, Snoozed
from antiphon.services.tasks.batches import BatchCounts
from antiphon.stores.base import Store
from tests.services.batches_stage import Stage, heard, print_photo, publish, rename, resize, staged
from tests.services.tasks_stage import KEPT, context, jobs_in, running

pytestmark = pytest.mark.lasting_keys(*KEPT)


# Sending


async def test_a_fan_out_is_one_job(store: Store) -> None:
    """Until a worker runs it, there is one job, in the queue of its children, as the caller's own."""
    async with staged(store) as stage:
        batch = await stage.fan_out(3)

        (message,) = await jobs_in(stage.runtime, "photos")

    assert (message.id, message.action) == (batch.job_id, "tasks:fan-out")
    assert message.caller.id == "ada"
    assert batch.total == 3


async def test_every_call_becomes_a_child(store: Store) -> None:
    """Each has its place in its id, its own queue, and what it was called with."""
    async with staged(store) as stage:
        batch = await context(stage.runtime).fan_out([resize.bind(7), rename.bind("x"), resize.bind(9)])
        await stage.play(batch)

        photos, others = await stage.children(batch), await stage.children(batch, "default")

    assert [message.id for message in photos] == [f"photos.{batch.id}:0", f"photos.{batch.id}:2"]
    assert [message.id for message in others] == [f"default.{batch.id}:1"]
    assert [msgspec.json.decode(message.inputs) for message in photos] == [{"fileId": 7}, {"fileId": 9}]


async def test_thousands_of_large_calls_are_kept_in_pieces(store: Store) -> None:
    """No piece is over 256 KiB, and every child is there in the end."""
    async with staged(store) as stage:
        batch = await context(stage.runtime).fan_out([rename.bind("x" * 2000) for _ in range(1000)])
        pieces = await store.client.lrange(stage.queues.keys.children(batch.id), 0, -1)
        await stage.play(batch)

        children = await stage.children(batch, "default")

    assert len(pieces) > 5
    assert max(map(len, pieces)) <= 262_144
    assert len(children) == 1000


class Killed(Exception):
    """The worker is gone."""


@pytest.mark.parametrize("after", [1, 2, 4])
async def test_a_fan_out_that_was_cut_off_is_completed(store: Store, after: int) -> None:
    """A worker killed half way: the next one goes on, and each child is there once."""
    reports = 0

    async def killed_later(share: float, note: str) -> None:
        nonlocal reports
        reports += 1
        if reports == after:
            raise Killed

    async with staged(store) as stage:
        batch = await stage.fan_out(450)
        with pytest.raises(Killed):
            await stage.play(batch, killed_later)
        assert len(await stage.children(batch)) == after * 100

        await stage.play(batch)
        await stage.play(batch)

        assert len(await stage.children(batch)) == 450


async def test_a_fan_out_that_finds_a_full_queue_waits(store: Store) -> None:
    """It asks to be run again, and spends no attempt on it."""
    async with running(store, resize, environ={"STREAMS_MAX_UNFINISHED": "3"}) as runtime:
        stage = Stage(runtime)
        batch = await stage.fan_out(5)

        with pytest.raises(Snoozed):
            await stage.play(batch)

        assert len(await stage.children(batch)) == 2


async def test_a_fan_out_waits_for_its_pieces(store: Store) -> None:
    """Its job may be sent before its pieces have left the outbox: it looks again later, and not for ever."""
    async with staged(store) as stage:
        batch = await stage.fan_out(3)
        await store.client.delete(stage.queues.keys.children(batch.id))

        with pytest.raises(Snoozed):
            await stage.play(batch)

        ctx = context(stage.runtime)
        long_ago = stage.queues.time.now().replace(year=2020)
        ctx.job = Run("j", 1, 1, long_ago, None, heard)
        with pytest.raises(NotFound):
            await stage.batches.send(ctx, batch.id, 1)


async def test_a_batch_has_a_bound(store: Store) -> None:
    """Too many calls, or too many bytes, are refused before anything is kept."""
    async with staged(store, max_batch=3, max_batch_bytes=2_000) as stage:
        with pytest.raises(TooLarge, match="at most 3 calls"):
            await stage.fan_out(4)
        with pytest.raises(TooLarge, match="2,000 bytes"):
            await context(stage.runtime).fan_out([rename.bind("x" * 3_000)])

        assert await jobs_in(stage.runtime, "photos") == []


async def test_one_call_that_does_not_fit_refuses_them_all(store: Store) -> None:
    """Calls are checked as they are made."""
    wrong: Any = "seven"

    async with staged(store):
        with pytest.raises(InvalidInput):
            resize.bind(wrong)


# Ends


async def test_then_runs_when_all_have_ended(store: Store) -> None:
    """Not before the last; and it finds every result and every error by the place of its call."""
    async with staged(store) as stage:
        batch = await stage.fan_out(3, then=publish.bind(5))
        await stage.play(batch)
        one, two, three = await stage.children(batch)

        await stage.batches.report(one, "done", result=b"10")
        await stage.batches.report(three, "dead", error={"type": "NOT_FOUND", "message": "Gone."})
        assert await stage.waiting() == []
        assert await stage.batches.counts(batch.id) == BatchCounts(3, 1, 1, 0)
        await stage.batches.report(two, "done", result=None)

        (then,) = await jobs_in(stage.runtime)
        outcomes = await stage.batches.outcomes(then)

    assert then.id == f"default.{batch.id}:then"
    assert msgspec.json.decode(then.inputs) == {"albumId": 5}
    assert outcomes is not None
    assert (outcomes.total, outcomes.done, outcomes.dead) == (3, 2, 1)
    assert outcomes.results == {0: 10, 1: None}
    assert outcomes.errors == {2: {"type": "NOT_FOUND", "message": "Gone."}}


async def test_the_first_report_of_a_child_counts(store: Store) -> None:
    """A child that runs twice ends once, and brings nothing to an early end."""
    async with staged(store) as stage:
        batch = await stage.fan_out(2, then=publish.bind(5))
        await stage.play(batch)
        one, two = await stage.children(batch)

        await stage.batches.report(one, "done", result=b"1")
        await stage.batches.report(one, "dead", error={"type": "DEFECT", "message": "x"})
        assert await stage.waiting() == []
        await stage.batches.report(two, "done")
        await stage.batches.report(two, "done")

        assert await stage.waiting() == ["album:publish"]
        assert await stage.batches.counts(batch.id) == BatchCounts(2, 2, 0, 0)


async def test_a_worker_killed_before_then_was_sent_is_made_good(store: Store) -> None:
    """The last child is settled only after its report is through: run again, it sends what was not sent."""
    async with staged(store) as stage:
        batch = await stage.fan_out(1, then=publish.bind(5))
        await stage.play(batch)
        (one,) = await stage.children(batch)
        await stage.batches.report(one, "done")
        then = f"default.{batch.id}:then"
        await stage.queues.cancel(then)
        await store.client.delete(stage.queues.keys.job(then))
        await store.client.hdel(stage.queues.keys.batch(batch.id), "finished")

        await stage.batches.report(one, "done")

        assert await stage.waiting() == ["album:publish"]


async def test_an_empty_fan_out_has_ended(store: Store) -> None:
    """Nothing to wait for: `then` follows at once."""
    async with staged(store) as stage:
        batch = await context(stage.runtime).fan_out([], then=publish.bind(5))

        await stage.play(batch)

        assert "album:publish" in await stage.waiting()


async def test_a_child_that_another_job_stands_for_has_ended(store: Store) -> None:
    """A unique job that is there already never runs for the batch: it is told so, and keeps nobody waiting."""
    async with staged(store) as stage:
        ctx = context(stage.runtime)
        there = await ctx.later(print_photo, 7)
        batch = await ctx.fan_out([print_photo.bind(7)], then=publish.bind(5))
        await stage.play(batch)

        then = next(message for message in await jobs_in(stage.runtime) if message.action == "album:publish")
        outcomes = await stage.batches.outcomes(then)

    assert outcomes is not None
    assert outcomes.errors[0]["type"] == Conflict.type
    assert there.id in outcomes.errors[0]["message"]


async def test_jobs_of_no_batch_report_nothing(store: Store) -> None:
    """Every end may be told; only those of children are kept."""
    async with staged(store) as stage:
        await context(stage.runtime).later(rename, "x")
        (message,) = await jobs_in(stage.runtime)

        await stage.batches.report(message, "done")

        assert await stage.batches.outcomes(message) is None


async def test_a_batch_that_is_forgotten_stays_forgotten(store: Store) -> None:
    """A report after its time makes no key that would stay for ever."""
    async with staged(store) as stage:
        batch = await stage.fan_out(1)
        await stage.play(batch)
        (one,) = await stage.children(batch)
        keys = stage.queues.keys
        await store.client.delete(keys.batch(batch.id))

        await stage.batches.report(one, "done")

        assert await stage.batches.counts(batch.id) is None
        assert not await store.client.exists(keys.batch(batch.id))
