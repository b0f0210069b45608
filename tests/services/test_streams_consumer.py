"""The loop that works through jobs: slots, leases, cancelling, being late, going away, and a store that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from antiphon import Health, Http
from antiphon.core.clock import SystemClock
from antiphon.core.log import Silent
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.registry import Registry
from antiphon.services.streams.settings import StreamSettings
from antiphon.services.streams.supervisor import Supervisor
from antiphon.services.streams.values import Running
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.transports.worker_stage import FAST, Stage, on_worker_stage

pytestmark = pytest.mark.lasting_keys("{jobs.*}:*", "{known}:*")

GREEDY = StreamSettings(lease_time=timedelta(milliseconds=1), renew_time=timedelta(milliseconds=1))
"""Another worker's settings, for which every lease has run out."""


@pytest.fixture
async def stage(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> AsyncIterator[Stage]:
    """A worker of three slots that renews often."""
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, FAST | {"WORKER_SLOTS": "3"}) as running:
        yield running


@pytest.fixture
def other(store: Store) -> Queues:
    """The same queues, as another worker sees them that waits for nobody."""
    return Queues(store, GREEDY, SystemClock(), Silent())


def supervisor_of(stage: Stage) -> Supervisor:
    """The loops of the process."""
    return stage.app.runtime.require(Supervisor, "the test")


async def runs(stage: Stage, count: int = 1) -> None:
    """Wait until so many jobs wait at the gate."""
    await wait_until(lambda: stage.world.running == count, f"{count} jobs never ran at once", within=10)


# Slots


async def test_no_more_jobs_run_than_there_are_slots(stage: Stage) -> None:
    """The others wait for a free one, and all of them run."""
    ids = [await stage.put("gate:wait") for _ in range(8)]
    await runs(stage, 3)

    stage.world.gate.set()
    for job_id in ids:
        await stage.reaches(job_id, "done")

    assert stage.world.most_running == 3


async def test_a_job_that_ended_makes_room_at_once(stage: Stage) -> None:
    """A hundred short jobs beside two long ones, in the one slot that is left."""
    for _ in range(2):
        await stage.put("gate:wait")
    await runs(stage, 2)

    for number in range(100):
        await stage.put("word:say", text=str(number))

    await wait_until(lambda: len(stage.world.said) == 100, "the short ones were never all done", within=20)


async def test_a_delayed_job_runs_when_it_is_due_and_not_before(stage: Stage) -> None:
    """By the time of the store."""
    due_at = await stage.queues.time.current() + timedelta(seconds=0.7)

    record = await stage.reaches(
        await stage.put_message(msgspec.structs.replace(stage.message("word:say", text="late"), due_at=due_at)), "done"
    )

    assert record.started_at is not None
    assert record.started_at >= due_at
    (ctx,) = stage.world.contexts
    assert ctx.job is not None
    assert ctx.job.scheduled_at == due_at


async def test_a_paused_queue_is_left_alone(stage: Stage) -> None:
    """Nothing of it begins until it is resumed; other queues go on."""
    await stage.queues.pause("default")
    held = await stage.put("word:say", text="paused")
    free = msgspec.structs.replace(stage.message("word:say", text="free"), id=f"mail.{stage.app.runtime.ids.uuid7()}")
    await stage.reaches(await stage.put_message(free), "done")
    assert stage.world.said == ["free"]

    await stage.queues.resume("default")

    await stage.reaches(held, "done")


# Leases


async def test_a_job_longer_than_its_lease_is_renewed(stage: Stage, other: Queues) -> None:
    """Whoever looks for leases that have run out finds none of it, for three times as long as a lease."""
    await stage.put("gate:wait")
    await runs(stage)
    patient = Queues(
        other.store, StreamSettings(lease_time=timedelta(seconds=1)), SystemClock(), Silent()
    )  # the lease that this worker has

    loop = supervisor_of(stage).loops["renew"]
    rounds = loop.rounds

    async def renewed() -> bool:
        assert not await patient.claim("thief", ["default"], 10)
        return loop.rounds > rounds + 30

    await wait_until(renewed, "the leases were not renewed often enough", within=20)

    assert len(stage.world.contexts) == 1


async def test_the_job_of_a_dead_worker_runs_again(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str, other: Queues
) -> None:
    """After its lease, here; that is a crash of the job, and counted as one."""
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, listen=False) as stage:
        job_id = await stage.put("word:say", text="again")
        entries = await other.fetch(other.store.client, "dead", ["default"], 1)
        await other.start(entries, "dead")

    async with on_worker_stage(tmp_path, valkey.url, store_prefix, FAST) as stage:
        record = await stage.reaches(job_id, "done")

        assert record.crashes == 1
        assert stage.worker.counts.crashes["default"] == 1


async def test_who_has_lost_the_lease_stops_and_is_not_heard(stage: Stage, other: Queues) -> None:
    """The handler is cancelled at the next renewal, it is counted, and the later run stands."""
    job_id = await stage.put("gate:wait")
    await runs(stage)

    later = await overtake(other)
    await wait_until(lambda: stage.world.cancelled == 1, "the job that was overtaken was never cancelled")

    assert stage.worker.counts.lost["default"] == 1
    record = await stage.record(job_id)
    assert record.state == "running"
    assert await other.release([later]) == [True]
    stage.world.gate.set()
    await stage.reaches(job_id, "done")


async def overtake(other: Queues) -> Running:
    """Take the one running job away from its worker."""
    found: list[Running] = []

    async def taken() -> bool:
        entries = await other.claim("thief", ["default"], 1)
        found.extend(answer for answer in await other.start(entries, "thief") if isinstance(answer, Running))
        return bool(found)

    await wait_until(taken, "the job could never be taken away")
    return found[0]


async def test_a_cancelled_job_stops_at_the_next_renewal(stage: Stage) -> None:
    """Its handler is cancelled and the job has been."""
    job_id = await stage.put("gate:wait")
    await runs(stage)

    await stage.queues.cancel(job_id)

    await stage.reaches(job_id, "cancelled")
    assert stage.world.cancelled == 1


# Jobs that do not end


async def test_a_job_that_ignores_its_end_is_settled_without_it(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """It is TimedOut and keeps its slot; it is counted, and other jobs go on."""
    environ = FAST | {"WORKER_SLOTS": "2", "WORKER_UNDO_TIME": "200ms"}
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ) as stage:
        message = msgspec.structs.replace(stage.message("gate:ignore"), attempts=1)

        record = await stage.reaches(await stage.put_message(message), "dead")

        assert record.error is not None
        assert (record.error.type, stage.world.running) == ("TIMED_OUT", 1)
        assert stage.worker.counts.stuck == 1
        await stage.reaches(await stage.put("word:say", text="on"), "done")
        stage.world.gate.set()
        await wait_until(lambda: stage.worker.counts.stuck == 0, "it was never let go")


async def test_a_worker_full_of_stuck_jobs_asks_to_be_started_anew(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """At `worker.max_stuck` it says so to whoever runs the process, and not before."""
    environ = FAST | {"WORKER_UNDO_TIME": "100ms", "WORKER_MAX_STUCK": "2"}
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ) as stage:
        reasons: list[str] = []
        stage.app.runtime.ask_to_end = reasons.append
        alone = msgspec.structs.replace(stage.message("gate:ignore"), attempts=1)
        await stage.reaches(await stage.put_message(alone), "dead")
        assert not reasons

        await stage.put("gate:ignore")

        await wait_until(lambda: reasons, "the worker never asked")
        assert "worker.max_stuck" in reasons[0]
        stage.world.gate.set()


# Going away


async def test_a_drain_lets_jobs_end(tmp_path: Path, valkey: ValkeyServer, store_prefix: str, other: Queues) -> None:
    """Those that end in their time are done; nothing new begins."""
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, FAST | {"WORKER_SLOTS": "1"}) as stage:
        first, second = await stage.put("gate:wait"), await stage.put("word:say", text="too late")
        await runs(stage)

        draining = asyncio.create_task(stage.worker.drain())
        await wait_until(lambda: "look" not in supervisor_of(stage).loops, "the drain never began")
        stage.world.gate.set()
        await draining

    states = [record.state for job_id in (first, second) if (record := await other.view(job_id)) is not None]
    assert states == ["done", "ready"]


async def test_what_does_not_end_in_its_time_goes_back_uncounted(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str, other: Queues
) -> None:
    """It is cancelled and ready again, as if it had never been started: another worker takes it at once."""
    environ = FAST | {"WORKER_DRAIN": "100ms"}
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ) as stage:
        job_id = await stage.put("gate:wait")
        await runs(stage)

        await stage.worker.drain()

        record = await other.view(job_id)
        assert record is not None
        assert (record.state, record.crashes, record.errors) == ("ready", 0, ())
        assert stage.world.cancelled == 1


async def test_a_drain_of_requests_lets_jobs_run(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """The HTTP transport waits for its own calls and cancels those alone."""
    environ = FAST | {"HTTP_DRAIN_TIME": "50ms"}
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ, http=True) as stage:
        job_id = await stage.put("gate:wait")
        await runs(stage)
        assert len(stage.app.runtime.calls) == 0

        await stage.app.app.transport(Http).drain()

        assert (stage.world.running, stage.world.cancelled) == (1, 0)
        stage.world.gate.set()
        await stage.reaches(job_id, "done")


async def test_an_idle_worker_leaves_at_once(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """It does not wait for the end of its wait in the store, however long that is."""
    environ = {"STREAMS_BLOCK_TIME": "10m", "STREAMS_CLAIM_TIME": "10m"}
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ) as stage:
        # A first job, so that the loop is known to wait for the second one.
        await stage.reaches(await stage.put("word:say", text="first"), "done")
        await wait_until(stage.queues.store.client.ping, "the store is away")

        async with asyncio.timeout(30):
            await stage.worker.drain()


async def test_a_worker_is_listed_while_it_is_there(stage: Stage, other: Queues) -> None:
    """With its host, its queues and its slots; it is gone when it leaves."""
    registry = Registry(other)

    async def listed() -> bool:
        return bool(await registry.workers())

    await wait_until(listed, "it was never listed")
    (record,) = await registry.workers()
    assert (record.slots, record.id) == (3, stage.worker.consumer.worker_id)
    assert "default" in record.queues

    await stage.worker.drain()

    assert not await registry.workers()


async def test_who_does_not_listen_takes_no_job(tmp_path: Path, valkey: ValkeyServer, store_prefix: str) -> None:
    """A command, or a server with `--no-worker`, queues and does not work."""
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, listen=False) as stage:
        job_id = await stage.put("word:say", text="later")

        assert not supervisor_of(stage).loops
        assert (await stage.record(job_id)).state == "ready"


# A store that goes away


async def test_consuming_goes_on_after_a_restart_of_the_store(tmp_path: Path) -> None:
    """Killed and started again: running jobs are settled, new ones run, within five seconds of its first answer."""
    async with ValkeyServer() as server, on_worker_stage(tmp_path, server.url, "restart", FAST) as stage:
        job_id = await stage.put("gate:wait")
        await runs(stage)
        # What was written is on disk a second later at the latest.
        await stage.queues.store.client.execute_command("WAITAOF", 1, 0, 2000)

        await server.kill()
        stage.world.gate.set()
        await wait_until(lambda: stage.world.running == 0, "the job never ended")
        await wait_until(
            lambda: supervisor_of(stage).loops["fetch"].reconnects, "the loop never noticed that the store is away"
        )
        await server.start()

        await stage.reaches(job_id, "done", within=5)
        await stage.reaches(await stage.put("word:say", text="on"), "done", within=5)


async def test_a_deaf_worker_says_so(tmp_path: Path) -> None:
    """A store that hangs: no round is completed any more, and that is told; after it hears again all is well."""
    async with ValkeyServer() as server, on_worker_stage(tmp_path, server.url, "deaf", FAST) as stage:
        supervisor = supervisor_of(stage)

        async def health(wanted: Health) -> bool:
            return await supervisor.check_health() is wanted

        await wait_until(lambda: health(Health.UP), "it was never well")

        server.pause()
        await wait_until(lambda: health(Health.DOWN), "nobody noticed", within=15)
        server.resume()

        await wait_until(lambda: health(Health.UP), "it was never well again", within=10)
        await stage.reaches(await stage.put("word:say", text="on"), "done")


# What is dead for too long


async def test_a_worker_forgets_what_is_dead_for_too_long(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """It looks by itself, as soon as it begins to work."""
    environ = FAST | {"WORKER_QUEUES": "default"}
    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ) as first:
        job_id = await first.put("word:fail", how="conflict")
        await first.reaches(job_id, "dead")

    async with on_worker_stage(tmp_path, valkey.url, store_prefix, environ | {"STREAMS_DEAD_TIME": "1ms"}) as second:
        queues = second.app.runtime.require(Queues, "the test")

        async def gone() -> bool:
            return await queues.view(job_id) is None

        await wait_until(gone, "the dead job was never forgotten")
