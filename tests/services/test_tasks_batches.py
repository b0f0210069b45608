"""Fan-outs: every call once, every end counted once, `then` once, whoever is killed in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, InvalidInput, NotFound, TooLarge
from antiphon.core.job import Batch, Run, Snoozed
from antiphon.core.runtime import Runtime
from antiphon.services.streams.keys import queue_of
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.players import BatchReports, JobPlayer
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.values import Dead, Done, Running
from antiphon.services.tasks.batches import BatchCounts, Batches
from antiphon.services.tasks.fanning import send_children, stop_children
from antiphon.services.tasks.traits import queue, unique
from antiphon.stores.base import Store
from tests.services.tasks_stage import KEPT, context, jobs_in, running

pytestmark = pytest.mark.lasting_keys(*KEPT)


@action("photo:resize", queue("photos"), allow(anyone))
async def resize(ctx: Context, file_id: int) -> int:
    """Make a photo smaller."""
    return file_id


@action("photo:name", allow(anyone))
async def rename(ctx: Context, name: str) -> None:
    """Give a photo a name."""


@action("photo:print", unique("{file_id}"), allow(anyone))
async def print_photo(ctx: Context, file_id: int) -> None:
    """Print a photo."""


@action("album:publish", allow(anyone))
async def publish(ctx: Context, album_id: int) -> None:
    """Publish an album."""


async def heard(share: float, note: str) -> None:
    """Somebody who hears how far it is and says nothing."""
    assert 0 <= share <= 1
    assert note


class Stage:
    """An application with fan-outs, and a worker by hand."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.queues = runtime.require(Queues, "the test")
        self.batches = runtime.require(Batches, "the test")

    async def fan_out(self, count: int, **terms: Any) -> Batch:
        """So many photos to resize."""
        return await context(self.runtime).fan_out([resize.bind(number) for number in range(count)], **terms)

    async def play(self, batch: Batch, report: Callable[[float, str], Awaitable[None]] = heard) -> None:
        """Run the job that sends the children off, as a worker does."""
        record = await self.queues.view(batch.job_id)
        assert record is not None
        assert record.message is not None
        await self.run(record.message, report)

    async def run(self, message: JobMessage, report: Callable[[float, str], Awaitable[None]] = heard) -> None:
        """Run one of the jobs of a fan-out itself."""
        play = self.batches.play(message)
        assert play is not None
        inputs: Any = play.read()
        ctx = context(self.runtime)
        ctx.job = Run(message.id, 1, message.attempts, message.enqueued_at, None, report)
        await play.action.function(ctx, *msgspec.structs.astuple(inputs))

    async def children(self, batch: Batch, name: str = "photos") -> list[JobMessage]:
        """The unfinished children, in their order."""
        found = [message for message in await jobs_in(self.runtime, name) if is_child(message, batch)]
        return sorted(found, key=lambda message: 0 if message.batch is None else message.batch.index)

    async def waiting(self, name: str = "default") -> list[str]:
        """The actions of the unfinished jobs of a queue."""
        return [message.action for message in await jobs_in(self.runtime, name)]

    async def begin(self, child: JobMessage) -> Running:
        """Fetch and start what comes next, until this child is started."""
        while True:
            entries = await self.queues.fetch(self.queues.store.client, "w1", [queue_of(child.id)], 1)
            (begun,) = await self.queues.start(entries, "w1")
            assert isinstance(begun, Running)
            if begun.job_id == child.id:
                return begun


def is_child(message: JobMessage, batch: Batch) -> bool:
    """Whether a job is a child of this batch."""
    return message.batch is not None and message.batch.id == batch.id and message.batch.index >= 0


@asynccontextmanager
async def staged(store: Store, **settings: Any) -> AsyncGenerator[Stage]:
    """An application with fan-outs."""
    async with running(store, resize, rename, print_photo, publish, settings={"tasks": settings}) as runtime:
        yield Stage(runtime)


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


# Stopping


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
