"""The store goes, hangs, is emptied or is full; processes die around a commit: what was promised is kept."""

from __future__ import annotations

from collections.abc import Sequence
from signal import SIGKILL, SIGTERM, Signals

import pytest

from antiphon import Outbox, Unavailable
from antiphon.core.health import Health
from antiphon.core.runtime import Runtime
from antiphon.services.streams.message import decode_job
from antiphon.services.streams.outbox import Row
from antiphon.services.streams.supervisor import Supervisor
from antiphon.testing.waiting import wait_until
from tests.faults.streams_app import OrderPaid, hold, place_order, plain
from tests.faults.streams_process import PATIENCE, Fleet, call_in, queues_of, reaches, record_of
from tests.faults.streams_stores import ALL


async def place(runtime: Runtime, number: int, *, fail: bool = False) -> None:
    """Place an order, as a call of its own with its transaction."""
    ctx = call_in(runtime)
    runner = runtime.runner("order:place")
    await runner.run(ctx, lambda given: place_order.call(*given).inputs, ((number,), {"fail": fail}))


async def done_once(fleet: Fleet, numbers: Sequence[int]) -> None:
    """Wait until a job was done for each of these; none may be done twice."""
    await wait_until(
        lambda: {line.number for line in fleet.lines("plain")} >= {*numbers}, "some never arrived", within=PATIENCE
    )
    assert sorted(line.number for line in fleet.lines("plain")) == [*numbers]


@pytest.mark.parametrize("signal", [SIGTERM, SIGKILL])
@pytest.mark.parametrize("ground_kind", ALL)
async def test_consuming_resumes_after_a_store_restart(fleet: Fleet, signal: Signals) -> None:
    """S3: the store ends and is back: running jobs settle, consuming goes on, and no commit's job is lost."""
    async with fleet.here("http") as runtime, fleet.worker() as worker:
        job = await call_in(runtime).later(hold)
        await fleet.sees("begin")
        for number in range(10):
            await place(runtime, number)
        await fleet.ground.synced()

        async def commit_more() -> None:
            for number in range(10, 20):
                await place(runtime, number)

        await fleet.ground.restart(signal, commit_more)
        for number in range(20, 30):
            await place(runtime, number)
        fleet.show("open")

        await reaches(runtime, job.id, "done")
        await wait_until(
            lambda: {line.number for line in fleet.lines("plain")} == {*range(30)}, "jobs were lost", within=PATIENCE
        )
        assert [line.pid for line in fleet.lines("begin")] == [worker.pid]


async def test_a_deaf_worker_says_so(fleet: Fleet) -> None:
    """S4: while the store hangs, loops give up their waits and health is red; commits go on, and their jobs later."""
    async with fleet.here("http", "worker") as runtime:
        supervisor = runtime.require(Supervisor, "the test")
        await wait_until(lambda: _health_is(supervisor, Health.UP), "it was never well", within=PATIENCE)
        reconnects = sum(supervisor.all_reconnects().values())

        fleet.ground.pause()
        try:
            await wait_until(lambda: sum(supervisor.all_reconnects().values()) > reconnects, "no loop gave up")
            await place(runtime, 1)
            await wait_until(lambda: _is_red(supervisor), "it never said that it is deaf", within=PATIENCE)
        finally:
            fleet.ground.resume()

        await fleet.sees("plain")
        await wait_until(lambda: _health_is(supervisor, Health.UP), "it never recovered", within=PATIENCE)


async def _health_is(supervisor: Supervisor, health: Health) -> bool:
    return await supervisor.check_health() is health


async def _is_red(supervisor: Supervisor) -> bool:
    return await supervisor.check_health() is not Health.UP


async def test_an_emptied_store_is_reported(fleet: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    """S5: a store that is suddenly empty is filled again with what commits promised; one of all processes says so."""
    async with fleet.here("http") as runtime, fleet.worker() as first, fleet.worker() as second:
        counts = runtime.require(Outbox, "the test").counts
        await place(runtime, 1)
        await fleet.sees("plain")

        await fleet.ground.ask("FLUSHALL")
        await fleet.ground.ask("SCRIPT", "FLUSH")
        await place(runtime, 2)

        await fleet.sees("plain", 2)
        said = list[str]()

        def reports() -> list[str]:
            said.append(capfd.readouterr().err)
            logs = "".join((*said, first.said, second.said))
            return [line for line in logs.splitlines() if "streams.store_emptied" in line]

        await wait_until(lambda: bool(reports()), "nobody said that all is lost", within=20.0)
        seen = counts.receipts
        for number in range(3, 10):
            await place(runtime, number)
        await fleet.sees("plain", 9)
        # Every process asks the store as often as this one.
        await wait_until(lambda: counts.receipts > seen + 3, "the store was never asked again", within=20.0)
        assert len(reports()) == 1, reports()


async def test_a_repeated_send_is_one_job(fleet: Fleet) -> None:
    """S8: sent again by the outbox, sent twice by hand, fed by two feeders: one job with one id."""
    sendings = 0
    async with fleet.here("http") as runtime:
        queues = queues_of(runtime)

        async def send_and_forget(rows: Sequence[Row]) -> None:
            nonlocal sendings
            await queues.enqueue([decode_job(row.message) for row in rows])
            sendings += 1
            if sendings < 3:
                raise Unavailable("The answer was lost.")

        runtime.require(Outbox, "the test").deliver("jobs", send_and_forget)
        await place(runtime, 1)
        await wait_until(lambda: sendings == 3, "it was never sent again", within=20.0)
        job = await call_in(runtime).later(plain, 2)
        message = (await record_of(runtime, job.id)).message
        assert message is not None
        async with fleet.worker(), fleet.worker():
            await queues.enqueue([message, message])
            await call_in(runtime).publish(OrderPaid("a", 3))
            await reaches(runtime, job.id, "done")
            (again,) = await queues.enqueue([message])
            await fleet.sees("fast")
            for number in range(4, 40):
                # Whoever feeds does not know that it has lost its lease, and another one begins beside it.
                await queues.store.client.delete(queues.keys.feeder("order", "fast:hear"))
                await call_in(runtime).publish(OrderPaid("a", number))
            await fleet.sees("fast", 37)

        assert (again.id, again.new) == (job.id, False)
        assert sorted(line.number for line in fleet.lines("plain")) == [1, 2]
        assert [line.number for line in fleet.lines("fast")] == [*range(3, 40)]


async def test_jobs_follow_the_commit(fleet: Fleet) -> None:
    """S15: a process dies between its commit and the sending: it is sent once. A rollback sends nothing."""
    assert await fleet.command("order:place", "--number", "1", "--die") in (-SIGKILL, 128 + SIGKILL)
    assert await fleet.command("order:place", "--number", "2", "--fail") != 0
    assert fleet.effects() == {1: 1}

    async with fleet.worker():
        await fleet.sees("plain")
        assert await fleet.command("order:place", "--number", "3") == 0
        await done_once(fleet, [1, 3])


async def test_a_full_store_still_drains(fleet: Fleet) -> None:
    """S18: out of memory the store takes nothing new, and says so; what is in it is worked through."""
    async with fleet.here() as runtime, fleet.worker():
        ids = [(await call_in(runtime).later(hold, number)).id for number in range(30)]
        await fleet.sees("begin", 10)
        await fleet.ground.ask("CONFIG", "SET", "maxmemory", "1mb")

        with pytest.raises(Unavailable):
            await call_in(runtime).later(plain, 1)

        fleet.show("open")
        for job_id in ids:
            await reaches(runtime, job_id, "done")
        await fleet.ground.ask("CONFIG", "SET", "maxmemory", "0")
        await call_in(runtime).later(plain, 2)
        await fleet.sees("plain")
        assert len(fleet.lines("end")) == 30
