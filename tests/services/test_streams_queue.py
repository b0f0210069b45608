"""Tests for getting jobs into queues and to workers: once each, in order, and not beyond what fits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from antiphon.core.errors import InvalidInput, TooLarge, Unavailable
from antiphon.core.log import Silent
from antiphon.services.streams.keys import digest_of, queue_of
from antiphon.services.streams.settings import QueueSettings
from antiphon.services.streams.values import Dead, Done, Enqueued, Refused, Running
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.streams_stage import (
    AT_ONCE,
    BOUNDED,
    UNFINISHED,
    crash,
    message,
    queues_on,
    reader,
    run_one,
    state_of,
    take,
)

pytestmark = pytest.mark.lasting_keys(*UNFINISHED)


async def test_a_job_travels_as_it_was_sent(store: Store) -> None:
    """What a worker starts is the message that was enqueued, as its first attempt."""
    queues = queues_on(store)
    sent = message()
    await queues.enqueue([sent])

    job = await run_one(queues)

    assert (job.message.id, job.message.inputs, job.attempt, job.crashes) == (sent.id, sent.inputs, 1, 0)


async def test_a_repeat_is_one_job(store: Store) -> None:
    """The same id again does nothing, whether it waits, runs or is done, and gives the same id."""
    queues = queues_on(store)
    sent = message()

    assert await queues.enqueue([sent, sent]) == [Enqueued(sent.id)] * 2
    job = await run_one(queues)
    assert await queues.enqueue([sent]) == [Enqueued(sent.id, new=False)]
    await queues.settle(job, Done())
    assert await queues.enqueue([sent]) == [Enqueued(sent.id, new=False)]
    assert await take(queues) == []


async def test_a_unique_key_is_held_while_unfinished(store: Store) -> None:
    """A second job under a unique key is the first one, until that is finished; then the key is free."""
    queues = queues_on(store)
    first, second, third = (message(unique=digest_of("index:1")) for _ in range(3))
    await queues.enqueue([first])

    assert await queues.enqueue([second]) == [Enqueued(first.id, deduplicated=True, new=False)]
    await queues.settle(await run_one(queues), Done())
    assert await queues.enqueue([third]) == [Enqueued(third.id)]


async def test_an_id_that_was_given_shows_the_job_that_stands_for_it(store: Store) -> None:
    """The id of a job that was deduplicated leads to the existing one, also when it is sent again after that ended."""
    queues = queues_on(store)
    first, second = (message(unique=digest_of("index:1")) for _ in range(2))
    await queues.enqueue([first, second])
    await queues.settle(await run_one(queues), Done())

    record = await queues.view(second.id)

    assert record is not None
    assert (record.id, record.state) == (first.id, "done")
    assert await queues.enqueue([second]) == [Enqueued(first.id, deduplicated=True, new=False)]


async def test_a_window_holds_a_unique_key_beyond_the_end(store: Store) -> None:
    """Inside its window a unique key stands for a finished job as well; the key has a lifetime then."""
    queues = queues_on(store)
    first, second = (message(unique=digest_of("index:1"), window=60.0) for _ in range(2))
    await queues.enqueue([first])
    await queues.settle(await run_one(queues), Done())

    assert await queues.enqueue([second]) == [Enqueued(first.id, deduplicated=True, new=False)]
    assert 0 < await store.client.pttl(queues.keys.unique("mail", digest_of("index:1"))) <= 60_000


async def test_a_window_that_is_over_frees_the_key_at_the_end(store: Store) -> None:
    """A window shorter than the job holds the key as long as the job."""
    queues = queues_on(store)
    first, second, third = (message(unique=digest_of("index:1"), window=0.001) for _ in range(3))
    await queues.enqueue([first])
    job = await run_one(queues)

    assert (await queues.enqueue([second]))[0].deduplicated
    began = await store_micros(store)

    async def is_over() -> bool:
        return await store_micros(store) > began + 2_000

    await wait_until(is_over, "the clock of the store stood still")
    await queues.settle(job, Done())
    assert await queues.enqueue([third]) == [Enqueued(third.id)]


async def store_micros(store: Store) -> int:
    """The clock of the store."""
    seconds, micros = await store.client.time()  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
    return seconds * 1_000_000 + micros


async def test_a_full_queue_is_unavailable(store: Store) -> None:
    """A queue at its bound refuses what does not fit, keeps what did, and takes more once one is finished."""
    queues = queues_on(store, queues={"mail": QueueSettings(max_unfinished=2)})
    jobs = [message() for _ in range(3)]

    with pytest.raises(Unavailable, match="queue mail is full"):
        await queues.enqueue(jobs)
    assert [await state_of(queues, job.id) for job in jobs] == ["ready", "ready", None]
    await queues.settle(await run_one(queues), Done())
    assert [answer.new for answer in await queues.enqueue(jobs)] == [False, False, True]


async def test_high_goes_before_normal_before_low(store: Store) -> None:
    """Workers get the jobs of a higher priority first, and those of one priority in their order."""
    queues = queues_on(store)
    low, normal, high, later = (message(priority=p) for p in ("low", "normal", "high", "normal"))
    await queues.enqueue([low, normal, high, later])

    assert [job.job_id for job in await take(queues)] == [high.id, normal.id, later.id, low.id]


async def test_a_round_may_begin_at_low(store: Store) -> None:
    """With `low_first` a low job is not left behind by the others."""
    queues = queues_on(store)
    await queues.enqueue([message(priority="high"), low := message(priority="low")])

    (entry,) = await queues.fetch(store.client, "w1", ["mail"], 1, low_first=True)

    assert entry.job_id == low.id


async def test_no_more_is_taken_than_asked_for(store: Store) -> None:
    """However many queues have jobs, a worker gets as many as it has slots, and every queue its share."""
    queues = queues_on(store)
    names = [f"q{n}" for n in range(5)]
    await queues.enqueue([message(name) for name in names for _ in range(10)])

    taken = await queues.fetch(store.client, "w1", names, 12)

    assert len(taken) == 12
    assert {entry.queue for entry in taken} == set(names)


async def test_one_busy_queue_among_many_fills_a_worker(store: Store) -> None:
    """What empty queues leave of a worker's slots goes to the one that has jobs."""
    queues = queues_on(store)
    await queues.enqueue([message("busy") for _ in range(10)])

    assert len(await queues.fetch(store.client, "w1", [*(f"q{n}" for n in range(20)), "busy"], 10)) == 10


async def test_a_waiting_reader_gets_the_next_job(store: Store) -> None:
    """A reader with nothing to do waits in the store and has the next job as soon as it is there."""
    queues = queues_on(store)
    block = timedelta(seconds=10)
    async with reader(store, block) as client:
        waiting = asyncio.create_task(queues.fetch(client, "w1", ["mail", "other"], 5, block=block))
        await wait_until(lambda: _blocked(store), "the reader never waited in the store")
        await queues.enqueue([sent := message()])

        assert [entry.job_id for entry in await waiting] == [sent.id]


async def test_a_reader_waits_no_longer_than_it_says(store: Store) -> None:
    """With nothing to do the reader comes back with nothing."""
    queues = queues_on(store, queues={"capped": QueueSettings(slots=1)})
    async with reader(store, AT_ONCE) as client:
        assert await queues.fetch(client, "w1", ["mail"], 5, block=AT_ONCE) == []
        assert await queues.fetch(client, "w1", ["capped"], 5, block=AT_ONCE) == []


async def test_a_paused_queue_is_not_fetched_from(store: Store) -> None:
    """Nobody gets jobs of a paused queue, not even one who fetched just before; after `resume` they are there."""
    queues = queues_on(store)
    await queues.enqueue([message(), message()])
    (entry,) = await queues.fetch(store.client, "w1", ["mail"], 1)
    await queues.pause("mail")

    assert await queues.start([entry], "w1") == [Refused(entry, "paused")]
    assert await take(queues) == []
    assert (await queues.depths("mail")).paused
    await queues.resume("mail")
    assert len(await take(queues)) == 2


async def test_a_queues_slots_hold_across_workers(store: Store) -> None:
    """No more jobs of a queue run at a time than it has slots, whoever runs them."""
    queues = queues_on(store, queues={"mail": QueueSettings(slots=2)})
    await queues.enqueue([message() for _ in range(5)])

    first, second = await take(queues, "w1"), await take(queues, "w2")

    assert (len(first), len(second)) == (2, 0)
    await queues.settle(first[0], Done())
    assert len(await take(queues, "w2")) == 1


async def test_an_emptied_store_gets_its_groups_again(store: Store) -> None:
    """When the store has lost everything, fetching goes on with what is enqueued from then on, and the loss counts."""
    queues = queues_on(store)
    await queues.enqueue([message()])
    job = await run_one(queues)
    await store.client.delete(*queues.keys.of_queue("mail"), queues.keys.job(job.job_id))
    await store.client.execute_command("SCRIPT", "FLUSH")

    assert await queues.settle(job, Done()) is None
    await queues.enqueue([again := message()])
    assert (await run_one(queues)).job_id == again.id
    assert queues.losses == 1


async def test_a_store_out_of_memory_still_settles() -> None:
    """A full store refuses new jobs as Unavailable, and workers go on until it has room."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix="test", log=Silent())
        queues = queues_on(store, lease_time=AT_ONCE, renew_time=AT_ONCE / 10)
        await queues.enqueue([message(unique=digest_of("once")), *(message() for _ in range(5))])
        running = await run_one(queues)
        await store.client.execute_command("CONFIG", "SET", "maxmemory", "1")

        with pytest.raises(Unavailable):
            await queues.enqueue([message()])
        await queues.renew([running])
        again = await crash(queues, running)
        assert isinstance(again, Running)
        assert await queues.settle(again, Dead("refused")) == "dead"
        jobs = await take(queues, "w3")
        assert await queues.release(jobs[:1]) == [True]
        assert await queues.settle_all([(job, Done(b"1")) for job in jobs[1:]]) == ["done"] * 4
        assert [await queues.settle(job, Done()) for job in await take(queues, "w4")] == ["done"]
        await store.close()


async def test_a_message_has_a_bound(store: Store) -> None:
    """A message over 256 KiB is TooLarge, and nothing of what it came with is sent."""
    queues = queues_on(store)
    fits, large = message(), message(request_id="x" * 262_144)

    with pytest.raises(TooLarge, match="reference"):
        await queues.enqueue([fits, large])
    assert await queues.view(fits.id) is None


@pytest.mark.parametrize("job_id", ["", "mail", "mail.", ".x", "Mail.x", "ma{il.x", "mail.a b", "mail.x}", "on.a.b.x"])
async def test_what_is_no_id_is_refused(job_id: str) -> None:
    """An id that no job can have is invalid input, before any key is made of it."""
    with pytest.raises(InvalidInput):
        queue_of(job_id)


async def test_queues_that_were_used_are_known(store: Store) -> None:
    """The registry names every queue that something was enqueued into."""
    queues = queues_on(store)
    await queues.enqueue([message("mail"), message("on.receipt:send")])

    assert sorted(await queues.known()) == ["mail", "on.receipt:send"]


@pytest.mark.lasting_keys(*BOUNDED)
async def test_every_finished_job_has_a_lifetime(store: Store) -> None:
    """Done and dead jobs are kept as long as they say, and no longer."""
    queues = queues_on(store)
    await queues.enqueue([done := message(keep=60.0), dead := message(unique=digest_of("x"))])
    jobs = await take(queues)
    await queues.settle_all([(jobs[0], Done()), (jobs[1], Dead("refused"))])

    assert 0 < await store.client.pttl(queues.keys.job(done.id)) <= 60_000
    assert await store.client.pttl(queues.keys.job(dead.id)) > 29 * 86_400_000


async def test_time_is_the_stores(store: Store) -> None:
    """What time it is comes from the store, asked for once in a while."""
    queues = queues_on(store)
    assert not queues.time.measured

    now = await queues.time.current()

    assert queues.time.measured
    assert abs((datetime.now(UTC) - now).total_seconds()) < 60


async def _blocked(store: Store) -> bool:
    information = await store.client.execute_command("INFO", "clients")
    return int(information["blocked_clients"]) > 0
