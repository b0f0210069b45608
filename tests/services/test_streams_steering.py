"""Tests for what people do with jobs: cancel, requeue, drop, look, purge; and for jobs that wait for their time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from antiphon.core.errors import Conflict, NotFound
from antiphon.services.streams.keys import digest_of
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobFilter
from antiphon.services.streams.values import Dead, Done, Enqueued, Quarantined, Retry
from antiphon.stores.base import Store
from antiphon.testing.waiting import wait_until
from tests.services.streams_stage import (
    AT_ONCE,
    UNFINISHED,
    come_due,
    message,
    ordered,
    queues_on,
    run_one,
    state_of,
    take,
)

pytestmark = pytest.mark.lasting_keys(*UNFINISHED)

LATER = timedelta(hours=1)


async def test_a_delayed_job_waits_for_its_time(store: Store) -> None:
    """A job due later is scheduled, is not fetched, and the time until then is known."""
    queues = queues_on(store)
    due = await queues.time.current() + LATER
    await queues.enqueue([sent := message(due_at=due)])

    assert await take(queues) == []
    moved, next_in = await queues.promote(["mail", "other"])
    assert moved == 0
    assert next_in is not None
    assert 3500 < next_in <= 3600.1
    record = await queues.view(sent.id)
    assert record is not None
    assert record.state == "scheduled"
    assert record.due_at is not None
    assert abs(record.due_at - due) <= timedelta(milliseconds=1)


async def test_a_job_that_has_come_due_runs(store: Store) -> None:
    """Once its time has come and somebody promotes it, a job is ready with its priority; once, whoever promotes."""
    queues = queues_on(store)
    await queues.enqueue([sent := message(due_at=await queues.time.current() + LATER, priority="high")])
    await come_due(queues, sent.id)

    assert [(await queues.promote(["mail"])).moved for _ in range(2)] == [1, 0]
    assert (await run_one(queues)).entry.priority == 1


async def test_a_due_time_in_the_past_is_now(store: Store) -> None:
    """A job whose time has passed is ready at once."""
    queues = queues_on(store)
    await queues.enqueue([sent := message(due_at=await queues.time.current() - LATER)])

    assert await state_of(queues, sent.id) == "ready"


async def test_an_unfinished_job_can_be_cancelled(store: Store) -> None:
    """Scheduled, waiting, ready and retrying jobs are taken out at once and free their unique key."""
    queues = queues_on(store)
    due = await queues.time.current() + LATER
    scheduled = message(due_at=due, unique=digest_of("x"))
    ready, waiting = (message(lanes=(ordered("room"),)) for _ in range(2))
    retrying = message("slow")
    await queues.enqueue([scheduled, ready, waiting, retrying])
    await queues.settle(await run_one(queues, names=("slow",)), Retry(60.0))

    for job in (scheduled, waiting, ready, retrying):
        assert (await queues.cancel(job.id)).state == "cancelled"

    assert await take(queues, names=("mail", "slow")) == []
    depths = [await queues.depths(name) for name in ("mail", "slow")]
    assert [(each.unfinished, each.due) for each in depths] == [(0, 0), (0, 0)]
    assert await queues.enqueue([again := message(unique=digest_of("x"))]) == [Enqueued(again.id)]


async def test_a_finished_job_cannot_be_cancelled(store: Store) -> None:
    """Cancelling what has ended is a conflict, and cancelling what is not there finds nothing."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])
    await queues.settle(await run_one(queues), Done())

    with pytest.raises(Conflict, match="it is done"):
        await queues.cancel(sent.id)
    with pytest.raises(NotFound):
        await queues.cancel(message().id)


async def test_a_requeued_job_begins_anew(store: Store) -> None:
    """A dead job that is requeued keeps its id and runs as attempt 1; it is no longer among the dead."""
    queues = queues_on(store)
    await queues.enqueue([sent := message(unique=digest_of("x"))])
    await queues.settle(await run_one(queues), Retry(0.0))
    await queues.settle(await run_one(queues), Dead("attempts"))

    await queues.requeue(sent.id)

    assert (await queues.enqueue([message(unique=digest_of("x"))]))[0].id == sent.id
    assert await store.client.pttl(queues.keys.job(sent.id)) == -1
    job = await run_one(queues)
    assert (job.job_id, job.attempt, job.crashes) == (sent.id, 1, 0)
    assert (await queues.depths("mail")).dead == 0
    assert await queues.settle(job, Done()) == "done"
    assert (await queues.depths("mail")).unfinished == 0


async def test_a_quarantined_job_is_requeued_only_by_name(store: Store) -> None:
    """A quarantined job comes back only when that is said."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])
    await queues.settle(await run_one(queues), Quarantined("poison"))

    with pytest.raises(Conflict, match="--quarantined"):
        await queues.requeue(sent.id)
    await queues.requeue(sent.id, quarantined=True)

    assert (await run_one(queues)).job_id == sent.id


async def test_only_the_dead_are_requeued_or_dropped(store: Store) -> None:
    """Requeueing or dropping a job that is not dead is a conflict."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])

    with pytest.raises(Conflict, match="this one is ready"):
        await queues.requeue(sent.id)
    with pytest.raises(Conflict, match="this one is ready"):
        await queues.drop(sent.id)


async def test_a_dropped_job_is_forgotten(store: Store) -> None:
    """A dead job that is dropped is nowhere any more."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])
    await queues.settle(await run_one(queues), Dead("refused"))

    await queues.drop(sent.id)

    assert await queues.view(sent.id) is None
    assert (await queues.depths("mail")).dead == 0


async def test_too_many_dead_are_purged_oldest_first(store: Store) -> None:
    """Beyond their bound the oldest dead jobs go, and they are counted."""
    queues = queues_on(store, max_dead=2)
    jobs = [message() for _ in range(5)]
    await queues.enqueue(jobs)
    for _ in jobs:
        await queues.settle(await run_one(queues), Dead("refused"))

    assert await queues.purge("mail") == 3
    assert sum([await queues.view(job.id) is not None for job in jobs]) == 2
    assert await queues.purge("mail") == 0


async def test_old_dead_are_purged(store: Store) -> None:
    """Dead jobs go when their time is over, and with them the place they kept in a lane."""
    queues = queues_on(store, dead_time=AT_ONCE)
    lane = (ordered("room", blocks=True),)
    await queues.enqueue([message(lanes=lane), second := message(lanes=lane)])
    await queues.settle(await run_one(queues), Dead("refused"))

    await _purged(queues)

    assert (await run_one(queues)).job_id == second.id


async def test_depths_say_how_much_there_is(store: Store) -> None:
    """Scheduled, waiting, ready, running and dead jobs are counted apart."""
    queues = queues_on(store)
    due = await queues.time.current() + LATER
    await queues.enqueue([message(priority="high"), message()])
    await take(queues, count=1)
    await queues.settle(await run_one(queues), Dead("refused"))
    lanes = (ordered("room"),)
    await queues.enqueue([message(due_at=due), message(lanes=lanes), message(lanes=lanes), message(priority="low")])

    depths = await queues.depths("mail")

    assert (depths.unfinished, depths.due, depths.waiting, depths.ready, depths.running, depths.dead) == (
        *(5, 1, 1),
        (0, 1, 1),
        *(1, 1),
    )
    assert (await queues.depths("nothing")).unfinished == 0


async def test_pages_go_through_everything_once(store: Store) -> None:
    """Page by page a list gives every unfinished and dead job once, however small its pages."""
    queues = queues_on(store)
    due = await queues.time.current() + LATER
    lanes = (ordered("room"),)
    jobs = [
        *(message(due_at=due) for _ in range(3)),
        *(message(lanes=lanes) for _ in range(3)),
        *(message(priority=p) for p in ("high", "low", "normal") for _ in range(2)),
    ]
    dead = [message() for _ in range(5)]
    await queues.enqueue(dead)
    await queues.settle_all([(job, Dead("refused")) for job in await take(queues)])
    await queues.enqueue(jobs)

    found, cursor = [*(page := await queues.list("mail", JobFilter(), count=2)).jobs], page.cursor
    while cursor:
        page = await queues.list("mail", JobFilter(), cursor=cursor, count=2)
        found, cursor = [*found, *page.jobs], page.cursor

    assert sorted(job.id for job in found) == sorted(job.id for job in [*jobs, *dead])


@pytest.mark.parametrize("state", ["scheduled", "waiting", "ready", "running", "retrying", "done", "dead", "cancelled"])
async def test_a_list_can_be_of_one_state(store: Store, state: str) -> None:
    """Asked for one state, a list has the jobs in that state and no others."""
    queues = queues_on(store)
    due, lanes = await queues.time.current() + LATER, (ordered("room"),)
    running, retrying, done, dead = (message() for _ in range(4))
    await queues.enqueue([running, retrying, done, dead])
    jobs = await take(queues)
    await queues.settle_all([(jobs[1], Retry(60.0)), (jobs[2], Done()), (jobs[3], Dead("refused"))])
    ready, waiting, scheduled, cancelled = message(lanes=lanes), message(lanes=lanes), message(due_at=due), message()
    await queues.enqueue([ready, waiting, scheduled, cancelled])
    await queues.cancel(cancelled.id)
    expected = {
        "scheduled": scheduled,
        "waiting": waiting,
        "ready": ready,
        "running": running,
        "retrying": retrying,
        "done": done,
        "dead": dead,
        "cancelled": cancelled,
    }

    ids: list[str] = []
    cursor = ""
    while True:
        page = await queues.list("mail", JobFilter(state=state), cursor=cursor)  # pyright: ignore[reportArgumentType]  # pytest's parameters are plain text
        ids += [job.id for job in page.jobs]
        if not (cursor := page.cursor):
            break

    assert ids == [expected[state].id]


async def test_a_list_can_be_filtered(store: Store) -> None:
    """Action, reason and age narrow a list."""
    queues = queues_on(store)
    await queues.enqueue([message(), other := message(action="mail:sort")])
    await queues.settle_all([(job, Dead(job.message.action[-4:])) for job in await take(queues)])

    async def ids(jobs: JobFilter) -> list[str]:
        return [job.id for job in (await queues.list("mail", jobs)).jobs]

    assert await ids(JobFilter(action="mail:sort")) == [other.id]
    assert await ids(JobFilter(reason="sort")) == [other.id]
    assert await ids(JobFilter(older_than=3600.0)) == []


async def _purged(queues: Queues) -> None:
    async def purge() -> bool:
        return await queues.purge("mail") == 1

    await wait_until(purge, "the dead job was never purged")
