"""Tests for lanes: order and caps per key, whatever happens to the job at the head."""

from __future__ import annotations

import pytest

from antiphon.core.errors import InvalidInput
from antiphon.services.streams.message import Lane
from antiphon.services.streams.values import Dead, Done, Retry, Running
from antiphon.stores.base import Store
from tests.services.streams_stage import (
    AT_ONCE,
    BOUNDED,
    UNFINISHED,
    at_most,
    crash,
    message,
    ordered,
    promoted,
    queues_on,
    run_one,
    state_of,
    take,
)

pytestmark = pytest.mark.lasting_keys(*UNFINISHED)

ROOM = (ordered("room:1"),)


async def test_one_key_goes_one_by_one_in_order(store: Store) -> None:
    """Jobs of an ordered key run one after the other, first in, first out, whatever their priority."""
    queues = queues_on(store)
    jobs = [message(lanes=ROOM, priority=p) for p in ("low", "normal", "high")]
    await queues.enqueue(jobs)

    assert [await state_of(queues, job.id) for job in jobs] == ["ready", "waiting", "waiting"]
    for job in jobs:
        running = await run_one(queues)
        assert running.job_id == job.id
        assert await take(queues) == []
        await queues.settle(running, Done())


async def test_keys_do_not_hinder_each_other(store: Store) -> None:
    """A job that waits for its key delays no other key."""
    queues = queues_on(store)
    await queues.enqueue([message(lanes=(ordered(f"room:{n % 3}"),)) for n in range(9)])

    assert len(await take(queues)) == 3


async def test_a_retrying_head_keeps_its_place(store: Store) -> None:
    """While the first job of a key is to be tried again, the key waits for it."""
    queues = queues_on(store)
    head, second = message(lanes=ROOM), message(lanes=ROOM)
    await queues.enqueue([head, second])

    await queues.settle(await run_one(queues), Retry(0.001))
    assert await take(queues) == []
    await promoted(queues)

    assert (await run_one(queues)).job_id == head.id
    assert await take(queues) == []


async def test_order_survives_a_crash(store: Store) -> None:
    """When the worker of the first job dies, the next one still waits until it is done."""
    queues = queues_on(store, lease_time=AT_ONCE)
    head, second = message(lanes=ROOM), message(lanes=ROOM)
    await queues.enqueue([head, second])

    again = await crash(queues, await run_one(queues))

    assert isinstance(again, Running)
    assert (again.job_id, await take(queues)) == (head.id, [])
    await queues.settle(again, Done())
    assert (await run_one(queues)).job_id == second.id


async def test_a_released_head_is_still_first(store: Store) -> None:
    """A job given back at a shutdown keeps its place."""
    queues = queues_on(store)
    head, second = message(lanes=ROOM), message(lanes=ROOM)
    await queues.enqueue([head, second])

    await queues.release([await run_one(queues)])

    assert [job.job_id for job in await take(queues)] == [head.id]


async def test_a_dead_head_lets_the_next_go(store: Store) -> None:
    """A job that is dead no longer stands in the way of its key."""
    queues = queues_on(store)
    await queues.enqueue([message(lanes=ROOM), second := message(lanes=ROOM)])

    await queues.settle(await run_one(queues), Dead("refused"))

    assert (await run_one(queues)).job_id == second.id


async def test_a_dead_head_may_block_until_it_is_requeued(store: Store) -> None:
    """With `on_dead="block"` the key stays shut, and the requeued job goes first."""
    queues = queues_on(store)
    shut = (ordered("room:1", blocks=True),)
    head, second = message(lanes=shut), message(lanes=shut)
    await queues.enqueue([head, second])
    await queues.settle(await run_one(queues), Dead("refused"))

    assert await take(queues) == []
    await queues.requeue(head.id)

    running = await run_one(queues)
    assert (running.job_id, running.attempt) == (head.id, 1)
    await queues.settle(running, Done())
    assert (await run_one(queues)).job_id == second.id


async def test_a_dead_head_may_block_until_it_is_dropped(store: Store) -> None:
    """Dropping the dead job opens the key again."""
    queues = queues_on(store)
    shut = (ordered("room:1", blocks=True),)
    head, second = message(lanes=shut), message(lanes=shut)
    await queues.enqueue([head, second])
    await queues.settle(await run_one(queues), Dead("refused"))

    await queues.drop(head.id)

    assert (await run_one(queues)).job_id == second.id


async def test_a_cap_is_never_exceeded(store: Store) -> None:
    """Of a key with a cap of two no more than two jobs are ready or running, over workers and retries."""
    queues = queues_on(store)
    await queues.enqueue([message(lanes=(at_most(2, "tenant:1"),)) for _ in range(6)])
    ended = 0
    while jobs := [*await take(queues, "w1"), *await take(queues, "w2")]:
        assert len(jobs) <= 2
        await queues.settle(jobs[0], Done())
        ended += 1
        for job in jobs[1:]:
            await queues.settle(job, Retry(0.0))

    assert ended == 6


async def test_a_job_in_two_lanes_needs_a_place_in_both(store: Store) -> None:
    """A job with an ordered key and a cap waits until both let it through; nobody overtakes it in either."""
    queues = queues_on(store)
    tenant = at_most(2, "tenant:1")
    first = message(lanes=(ordered("room:1"), tenant))
    second = message(lanes=(ordered("room:1"), tenant))
    third = message(lanes=(ordered("room:2"), tenant))
    await queues.enqueue([first, second, third])

    job = await run_one(queues)
    assert (job.job_id, await take(queues)) == (first.id, [])
    await queues.settle(job, Done())

    assert [job.job_id for job in await take(queues)] == [second.id, third.id]


async def test_a_cancelled_job_leaves_its_lane(store: Store) -> None:
    """Cancelling a job at the head or in the line lets those behind it move up."""
    queues = queues_on(store)
    head, second, third = (message(lanes=ROOM) for _ in range(3))
    await queues.enqueue([head, second, third])

    await queues.cancel(second.id)
    await queues.cancel(head.id)

    assert [job.job_id for job in await take(queues)] == [third.id]


async def test_a_job_let_through_and_cancelled_does_not_run(store: Store) -> None:
    """A job that came through its lane and was cancelled before anybody took it is passed over."""
    queues = queues_on(store)
    head, second, third = (message(lanes=ROOM) for _ in range(3))
    await queues.enqueue([head, second, third])
    await queues.settle(await run_one(queues), Done())
    assert await state_of(queues, second.id) == "ready"

    await queues.cancel(second.id)

    assert [getattr(job, "because", job.job_id if isinstance(job, Running) else "") for job in await take(queues)] == [
        "gone",
        third.id,
    ]


async def test_a_delayed_job_takes_its_place_when_it_is_due(store: Store) -> None:
    """A job in the future holds no place; one enqueued later and due at once goes first."""
    queues = queues_on(store)
    now = await queues.time.current()
    later = message(lanes=ROOM, due_at=now.replace(year=now.year + 1))
    await queues.enqueue([later, message(lanes=ROOM)])

    job = await run_one(queues)

    assert job.job_id != later.id
    assert await state_of(queues, later.id) == "scheduled"


@pytest.mark.parametrize("limits", [(1, 3), (3, 1)])
async def test_a_changed_cap_strands_nobody(store: Store, limits: tuple[int, int]) -> None:
    """Jobs enqueued under an old and a new cap of one key all run."""
    queues = queues_on(store)
    await queues.enqueue([message(lanes=(at_most(limit, "tenant:1"),)) for limit in limits for _ in range(5)])
    ended = 0
    while jobs := await take(queues):
        for job in jobs:
            await queues.settle(job, Done())
        ended += len(jobs)

    assert ended == 10


async def test_a_wider_cap_overtakes_nobody(store: Store) -> None:
    """A job that its own cap would let through still goes behind those who wait under a narrower one."""
    queues = queues_on(store)
    jobs = [message(lanes=(at_most(limit, "tenant:1"),)) for limit in (1, 1, 3)]
    await queues.enqueue(jobs)

    assert [await state_of(queues, job.id) for job in jobs] == ["ready", "waiting", "waiting"]


@pytest.mark.lasting_keys(*BOUNDED)
async def test_nothing_is_left_of_lanes(store: Store) -> None:
    """Once every job has ended, the set of lanes is empty, and so are streams and times."""
    queues = queues_on(store)
    await queues.enqueue([message(lanes=(ordered(f"room:{n % 2}"), at_most(3, "all"))) for n in range(8)])
    while jobs := await take(queues):
        await queues.settle_all([(job, Done()) for job in jobs])

    keys = queues.keys.of_queue("mail")
    assert await store.client.exists(keys.lanes, keys.due) == 0
    assert (await queues.depths("mail")).unfinished == 0


@pytest.mark.parametrize("lane", [Lane("room:1", 1), Lane("", 1), Lane("ab", 0)])
async def test_a_lane_that_scripts_cannot_read_is_refused(store: Store, lane: Lane) -> None:
    """A lane has a digest for a key and a limit of at least one, or nothing is sent."""
    with pytest.raises(InvalidInput):
        await queues_on(store).enqueue([message(lanes=(lane,))])


async def test_a_requeued_head_does_not_wait_for_those_who_wait_for_it(store: Store) -> None:
    """Whoever came later and waits behind its shut key gives it back the place that they hold meanwhile in a cap."""
    queues = queues_on(store)
    both = (at_most(2, "tenant"), ordered("room:1", blocks=True))
    sent = [message(lanes=both) for _ in range(4)]
    await queues.enqueue(sent)
    head = await run_one(queues)
    await queues.settle(head, Dead("refused"))

    await queues.requeue(sent[0].id)

    order: list[str] = []
    for _ in sent:
        job = await run_one(queues)
        order.append(job.job_id)
        await queues.settle(job, Done())
    assert order == [each.id for each in sent]
