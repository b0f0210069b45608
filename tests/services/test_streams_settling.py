"""Tests for running jobs: tokens, leases, crashes, outcomes."""

from __future__ import annotations

import msgspec
import pytest

from antiphon.services.streams.message import JobError
from antiphon.services.streams.values import (
    Cancelled,
    Dead,
    Done,
    Enqueued,
    Quarantined,
    Refused,
    Renewal,
    Retry,
    Running,
    Unknown,
)
from antiphon.stores.base import Store
from tests.services.streams_stage import (
    AT_ONCE,
    UNFINISHED,
    claimed,
    crash,
    message,
    promoted,
    queues_on,
    run_one,
    state_of,
    take,
)

pytestmark = pytest.mark.lasting_keys(*UNFINISHED)

REFUSED = JobError("NOT_FOUND", "There is no such user.", "r1")


async def test_a_result_is_kept(store: Store) -> None:
    """What a job gave can be looked at, with the times of its run."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])

    assert await queues.settle(await run_one(queues), Done(b'{"ok":true}')) == "done"
    record = await queues.view(sent.id)
    assert record is not None
    assert record.result == msgspec.Raw(b'{"ok":true}')
    assert record.started_at is not None
    assert record.finished_at is not None
    assert record.finished_at >= record.started_at


async def test_a_result_over_its_bound_is_omitted(store: Store) -> None:
    """A result over 64 KiB is not kept, and the record says so."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])

    await queues.settle(await run_one(queues), Done(b'"' + b"x" * 65_536 + b'"'))

    record = await queues.view(sent.id)
    assert record is not None
    assert (record.result, record.result_omitted) == (None, True)


async def test_a_settle_may_be_repeated(store: Store) -> None:
    """Settling again, because the answer was lost, gives the same answer and changes nothing."""
    queues = queues_on(store)
    await queues.enqueue([message(), message()])
    done, again = await take(queues)

    assert [await queues.settle(done, Done()) for _ in range(2)] == ["done", "done"]
    assert [await queues.settle(again, Retry(60.0)) for _ in range(2)] == ["retrying", "retrying"]
    assert (await queues.depths("mail")).unfinished == 1


async def test_a_lost_lease_is_refused(store: Store) -> None:
    """Whoever claimed and started a job holds it; the renewals, progress and settles of the one before are refused."""
    queues = queues_on(store, lease_time=AT_ONCE)
    await queues.enqueue([sent := message()])
    old = await run_one(queues)
    new = await crash(queues, old)

    assert isinstance(new, Running)
    assert new.token > old.token
    assert await queues.renew([old, new]) == [Renewal.LOST, Renewal.HELD]
    assert not await queues.progress(old, 0.5, "late")
    assert await queues.settle(old, Done(b"1")) is None
    assert await queues.release([old]) == [False]
    assert await queues.settle(new, Done(b"2")) == "done"
    record = await queues.view(sent.id)
    assert record is not None
    assert record.result == msgspec.Raw(b"2")


async def test_a_renewed_job_is_not_claimed(store: Store) -> None:
    """A job whose lease was renewed is nobody else's, however long it runs."""
    queues = queues_on(store)
    await queues.enqueue([message()])
    job = await run_one(queues)
    await queues.store.client.execute_command(
        *("XCLAIM", queues.keys.ready("mail", "normal"), "workers", "w1", 0, job.entry.entry_id, "IDLE", 60_000)
    )

    assert await queues.renew([job]) == [Renewal.HELD]
    assert await queues.claim("w2", ["mail"], 5) == []


async def test_a_renewal_takes_back_what_was_claimed_and_not_started(store: Store) -> None:
    """A worker that renews before the claimer has started keeps its job; the claimer is told it is not theirs."""
    queues = queues_on(store, lease_time=AT_ONCE)
    await queues.enqueue([message()])
    job = await run_one(queues)
    entry = await claimed(queues, "w2")

    assert await queues.renew([job]) == [Renewal.HELD]
    assert await queues.start([entry], "w2") == [Refused(entry, "lost")]
    assert await queues.settle(job, Done()) == "done"


async def test_a_crash_is_no_failed_attempt(store: Store) -> None:
    """A job whose worker died runs again as the same attempt, with one crash."""
    queues = queues_on(store, lease_time=AT_ONCE)
    await queues.enqueue([message()])

    again = await crash(queues, await run_one(queues))

    assert isinstance(again, Running)
    assert (again.attempt, again.crashes) == (1, 1)


async def test_poison_is_quarantined(store: Store) -> None:
    """A job that killed three workers is set aside instead of started; it is no longer in the queue."""
    queues = queues_on(store, lease_time=AT_ONCE)
    await queues.enqueue([sent := message(unique="ab")])
    job: Running | Refused = await run_one(queues, "w0")
    for worker in ("w1", "w2"):
        assert isinstance(job, Running)
        job = await crash(queues, job, worker)

    assert isinstance(job, Running)
    refused = await crash(queues, job, "w3")

    assert isinstance(refused, Refused)
    assert (refused.because, refused.state, refused.crashes) == ("poison", "quarantined", 3)
    depths = await queues.depths("mail")
    assert (depths.unfinished, depths.running, depths.dead) == (0, 0, 1)
    assert (await queues.enqueue([other := message(unique="ab")])) == [Enqueued(other.id)]
    assert await state_of(queues, sent.id) == "quarantined"


async def test_an_end_forgives_no_crash_but_adds_none(store: Store) -> None:
    """Attempts that end, however, are no crashes: a job may fail as often as its plan says."""
    queues = queues_on(store)
    await queues.enqueue([message()])
    for attempt in range(1, 8):
        job = await run_one(queues)
        assert (job.attempt, job.crashes) == (attempt, 0)
        await queues.settle(job, Retry(0.0, REFUSED))


async def test_a_start_that_was_not_heard_is_no_crash(store: Store) -> None:
    """A worker that lost the answer to its start begins again without a crash, under a new token."""
    queues = queues_on(store)
    await queues.enqueue([message()])
    (entry,) = await queues.fetch(store.client, "w1", ["mail"], 1)

    begun = [(await queues.start([entry], "w1"))[0] for _ in range(5)]

    assert all(isinstance(job, Running) and job.crashes == 0 for job in begun)
    assert [await queues.renew([job]) for job in begun if isinstance(job, Running)] == [
        *([[Renewal.LOST]] * 4),
        [Renewal.HELD],
    ]


async def test_undecodable_bytes_are_quarantined(store: Store) -> None:
    """A job whose bytes are no message is set aside at first sight, with its bytes."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])
    await store.client.hset(queues.keys.job(sent.id), "message", b"\x80\xff{")

    (refused,) = await take(queues)

    assert (refused.because, refused.state) == ("undecodable", "quarantined")
    record = await queues.view(sent.id)
    assert record is not None
    assert (record.state, record.reason, record.raw, record.message) == (
        "quarantined",
        "undecodable",
        b"\x80\xff{",
        None,
    )


async def test_a_message_of_another_release_is_put_back(store: Store) -> None:
    """Valid JSON with a newer version waits for a worker that knows it, uncounted."""
    queues = queues_on(store, unknown_wait=AT_ONCE)
    await queues.enqueue([sent := message()])
    key = queues.keys.job(sent.id)
    bytes_then = await store.client.hget(key, "message")
    await store.client.hset(key, "message", b'{"v":2,"other":"shape"}')

    (refused,) = await take(queues)
    assert (refused.because, refused.state) == ("unknown", "retrying")
    await store.client.hset(key, "message", bytes_then)
    await promoted(queues)

    assert (await run_one(queues)).attempt == 1


async def test_an_unknown_job_is_dead_in_the_end(store: Store) -> None:
    """A job that no worker has known for long enough is dead, with the reason."""
    queues = queues_on(store, unknown_wait=AT_ONCE, unknown_time=AT_ONCE)
    await queues.enqueue([sent := message()])

    assert await queues.settle(await run_one(queues), Unknown()) == "retrying"
    await promoted(queues)
    assert await queues.settle(await run_one(queues), Unknown()) == "dead"
    record = await queues.view(sent.id)
    assert record is not None
    assert record.reason == "unknown"


async def test_a_retry_waits_and_counts(store: Store) -> None:
    """A failed attempt is tried again after its delay as the next one, and its error is kept."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])

    assert await queues.settle(await run_one(queues), Retry(0.001, REFUSED)) == "retrying"
    await promoted(queues)

    assert (await run_one(queues)).attempt == 2
    record = await queues.view(sent.id)
    assert record is not None
    assert [(failed.attempt, failed.error) for failed in record.errors] == [(1, REFUSED)]


async def test_a_snooze_does_not_count(store: Store) -> None:
    """A retry that is not counted leaves the attempt as it is."""
    queues = queues_on(store)
    await queues.enqueue([message()])

    await queues.settle(await run_one(queues), Retry(0.0, counted=False))

    assert (await run_one(queues)).attempt == 1


async def test_the_last_ten_errors_are_kept(store: Store) -> None:
    """Of many failed attempts the record has the errors of the last ten."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])
    for n in range(12):
        await queues.settle(await run_one(queues), Retry(0.0, JobError("TIMED_OUT", f"no. {n}")))
    await queues.settle(await run_one(queues), Dead("attempts", REFUSED))

    record = await queues.view(sent.id)

    assert record is not None
    assert [failed.attempt for failed in record.errors] == [*range(4, 14)]
    assert (record.error, record.reason, record.attempt) == (REFUSED, "attempts", 13)


async def test_a_released_job_was_never_started(store: Store) -> None:
    """A job given back is ready at once, as the same attempt and without a crash."""
    queues = queues_on(store)
    await queues.enqueue([message()])
    for _ in range(5):
        job = await run_one(queues)
        assert (job.attempt, job.crashes) == (1, 0)
        assert await queues.release([job]) == [True]


async def test_progress_is_kept(store: Store) -> None:
    """How far a job has come can be looked at while it runs."""
    queues = queues_on(store)
    await queues.enqueue([sent := message()])

    assert await queues.progress(await run_one(queues), 0.4, "indexing äöü")

    record = await queues.view(sent.id)
    assert record is not None
    assert record.progress is not None
    assert (record.progress.share, record.progress.note) == (0.4, "indexing äöü")


async def test_jobs_of_several_queues_are_settled_in_one_trip(store: Store) -> None:
    """Starts and settles of several queues answer in the order they were asked in."""
    queues = queues_on(store)
    await queues.enqueue([message("a"), message("b"), message("a")])
    jobs = await take(queues, names=("a", "b"))

    states = await queues.settle_all([(jobs[0], Done()), (jobs[1], Dead("x")), (jobs[2], Quarantined("y"))])

    assert states == ["done", "dead", "quarantined"]
    assert await queues.renew(jobs) == [Renewal.LOST] * 3


async def test_a_cancelled_run_ends_cancelled(store: Store) -> None:
    """A running job hears at its next renewal that it is to stop, and its late result is not kept."""
    queues = queues_on(store)
    await queues.enqueue([sent := message(), other := message()])
    job, second = await take(queues)

    assert (await queues.cancel(sent.id)).state == "running"
    assert await queues.renew([job]) == [Renewal.CANCEL]
    assert await queues.settle(job, Done(b"1")) == "cancelled"
    await queues.cancel(other.id)
    assert await queues.settle(second, Cancelled()) == "cancelled"
    record = await queues.view(sent.id)
    assert record is not None
    assert (record.state, record.result) == ("cancelled", None)


async def test_a_cancelled_job_of_a_dead_worker_does_not_run_again(store: Store) -> None:
    """When the worker died before it heard of the cancel, whoever claims the job ends it."""
    queues = queues_on(store, lease_time=AT_ONCE)
    await queues.enqueue([sent := message()])
    job = await run_one(queues)
    await queues.cancel(sent.id)

    refused = await crash(queues, job)

    assert isinstance(refused, Refused)
    assert (refused.because, refused.state) == ("cancelled", "cancelled")
