"""Workers that die, hang and come back: no job is lost, and no effect happens twice."""

from __future__ import annotations

from contextlib import AsyncExitStack
from itertools import accumulate
from random import Random
from secrets import token_hex
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM
from time import monotonic

import msgspec
import pytest

from antiphon.core.runtime import Runtime
from antiphon.services.streams.keys import Keys
from antiphon.services.streams.message import encode_job
from antiphon.testing.waiting import wait_until
from tests.faults.streams_app import capped, effect, hold, plain, poison, slow, step
from tests.faults.streams_process import Fleet, call_in, queues_of, reaches, record_of
from tests.faults.streams_stores import ALL

everywhere = pytest.mark.parametrize("ground_kind", ALL)
"""Rows marked with a °."""


@everywhere
async def test_a_killed_workers_job_runs_again(fleet: Fleet) -> None:
    """S1: a worker that is killed in a job loses it to another one; one crash is counted, and no failure."""
    async with fleet.here() as runtime, fleet.worker() as first:
        job = await call_in(runtime).later(hold)
        await fleet.sees("begin")
        async with fleet.worker() as second:
            first.send(SIGKILL)

            begins = await fleet.sees("begin", 2)

            fleet.show("open")
            record = await reaches(runtime, job.id, "done")
            assert [line.pid for line in begins] == [first.pid, second.pid]
            assert (record.attempt, record.crashes) == (1, 1)


async def test_an_effect_inside_once_happens_once(fleet: Fleet) -> None:
    """S2: killed after the commit and before anybody knows, the job runs twice and its effect is there once."""
    async with fleet.here() as runtime:
        async with fleet.worker() as first:
            job = await call_in(runtime).later(effect.bind(7, die=True))
            assert await first.ended() == -SIGKILL
        assert fleet.effects() == {7: 1}

        async with fleet.worker():
            await reaches(runtime, job.id, "done")

        assert len(fleet.lines("begin")) == 2
        assert fleet.effects() == {7: 1}


async def test_undecodable_bytes_are_kept(fleet: Fleet) -> None:
    """S10: a job whose bytes are no message is set aside at first sight with its bytes; the next one runs."""
    async with fleet.here() as runtime:
        job = await call_in(runtime).later(plain, 1)
        key = Keys(queues_of(runtime).store).job(job.id)
        await queues_of(runtime).store.client.hset(key, "message", b"\x80\xff{")
        async with fleet.worker():
            await call_in(runtime).later(plain, 2)
            await fleet.sees("plain")

            record = await reaches(runtime, job.id, "quarantined")

        assert (record.raw, record.message, record.crashes) == (b"\x80\xff{", None, 0)
        assert [line.number for line in fleet.lines("plain")] == [2]


async def test_a_slow_job_runs_once(fleet: Fleet) -> None:
    """S11: a job that takes three times its lease is renewed, and runs once though another worker looks for it."""
    async with fleet.here() as runtime, fleet.worker(), fleet.worker():
        job = await call_in(runtime).later(slow, 6.0)

        record = await reaches(runtime, job.id, "done")

    assert (record.attempt, record.crashes) == (1, 0)
    assert [line.word for line in fleet.lines("begin", "end")] == ["begin", "end"]


async def test_a_late_ack_is_refused(fleet: Fleet) -> None:
    """S12: a worker that was paused past its lease and goes on is not heard any more; the newer run stands."""
    async with fleet.here() as runtime, fleet.worker() as zombie:
        job = await call_in(runtime).later(hold)
        await fleet.sees("begin")
        async with fleet.worker() as second:
            zombie.send(SIGSTOP)
            await fleet.sees("begin", 2)
            fleet.show("open")
            await reaches(runtime, job.id, "done")

            zombie.send(SIGCONT)

            await wait_until(lambda: "job.lease_lost" in zombie.said, "the lost lease was never told", within=20.0)
            record = await record_of(runtime, job.id)
            assert record.state == "done"
            assert record.result is not None
            assert bytes(record.result) == str(second.pid).encode()


async def test_poison_is_set_aside(fleet: Fleet) -> None:
    """S9: a job that kills every worker is set aside after the third; those that are left do the other jobs."""
    async with fleet.here() as runtime, AsyncExitStack() as stack:
        for _ in range(4):
            await stack.enter_async_context(fleet.worker())
        bad = await call_in(runtime).later(poison)
        for number in range(20):
            await call_in(runtime).later(plain, number)

        record = await reaches(runtime, bad.id, "quarantined")

        assert record.crashes == 3
        assert len(fleet.lines("poison")) == 3
        await wait_until(lambda: {line.number for line in fleet.lines("plain")} == {*range(20)}, "others were held up")


async def test_a_drain_loses_nothing(fleet: Fleet) -> None:
    """S16: TERM under load: every job is done, none counted as failed or crashed; what was too long is given back."""
    async with fleet.here() as runtime, fleet.worker(environ={"WORKER_DRAIN": "500ms"}) as first:
        ids = [(await call_in(runtime).later(slow, 0.1 if number % 10 else 2.0, number)).id for number in range(100)]
        await fleet.sees("end", 20)

        first.send(SIGTERM)
        assert await first.ended() == 0
        async with fleet.worker():
            records = [await reaches(runtime, job_id, "done") for job_id in ids]

    assert {(record.attempt, record.crashes) for record in records} == {(1, 0)}
    assert {line.number for line in fleet.lines("end")} == {*range(100)}


async def test_an_unknown_message_waits(fleet: Fleet) -> None:
    """S17: jobs of a newer release (another action, another format) are put back, uncounted, until it is there."""
    async with fleet.here() as runtime:
        newer = [await _newer(runtime, 2), await _newer(runtime, 1)]
        await queues_of(runtime).store.client.hset(
            Keys(queues_of(runtime).store).job(newer[0]), "message", b'{"v":2,"other":"shape"}'
        )
        async with fleet.worker():
            await call_in(runtime).later(plain, 1)
            await fleet.sees("plain")
            for job_id in newer:
                await wait_until(lambda job_id=job_id: _is_back(runtime, job_id), "it was never put back")
        async with fleet.worker(environ={"APP_RELEASE": "2"}):
            record = await reaches(runtime, newer[1], "done")

        assert (record.attempt, record.crashes) == (1, 0)
        assert (await record_of(runtime, newer[0])).state not in ("dead", "quarantined")


async def _newer(runtime: Runtime, number: int) -> str:
    queues = queues_of(runtime)
    job = await call_in(runtime).later(plain, number)
    message = (await record_of(runtime, job.id)).message
    assert message is not None
    message = msgspec.structs.replace(message, action="job:newer")
    await queues.store.client.hset(queues.keys.job(job.id), "message", encode_job(message))
    return job.id


async def _is_back(runtime: Runtime, job_id: str) -> bool:
    return (await record_of(runtime, job_id)).state in ("scheduled", "retrying")


@everywhere
async def test_order_survives_a_crash(fleet: Fleet) -> None:
    """S19: a worker is killed in an ordered key: the key goes on in its order, and others are not held up."""
    async with fleet.here() as runtime, fleet.worker() as first:
        ids = [(await call_in(runtime).later(step, "a", number, wait=number == 2)).id for number in range(5)]
        await fleet.sees("begin a", 3)
        first.send(SIGKILL)
        async with fleet.worker():
            ids += [(await call_in(runtime).later(step, "b", number)).id for number in range(5)]
            await fleet.sees("end b", 5)
            assert len(fleet.lines("end a")) == 2

            fleet.show("open")
            for job_id in ids:
                await reaches(runtime, job_id, "done")

    assert [line.number for line in fleet.lines("begin a")] == [0, 1, 2, 2, 3, 4]
    assert [line.number for line in fleet.lines("end a")] == [0, 1, 2, 3, 4]
    assert [line.number for line in fleet.lines("end b")] == [0, 1, 2, 3, 4]


async def test_a_cap_holds_across_workers(fleet: Fleet) -> None:
    """S20: at most three of a key run at a time over ten workers, whichever of them are killed, and when."""
    killed: dict[int, float] = {}
    seed = token_hex(4)
    chance = Random(seed)
    async with fleet.here() as runtime, AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(fleet.worker()) for _ in range(4)]
        for _ in range(6):
            await stack.enter_async_context(fleet.here("worker"))
        ids = [(await call_in(runtime).later(capped, number)).id for number in range(120)]
        for place, worker in enumerate(chance.sample(workers, 3)):
            await fleet.sees("end", 20 * place + chance.randrange(1, 30))
            worker.send(SIGKILL)
            await worker.ended()
            killed[worker.pid] = monotonic()

        for job_id in ids:
            await reaches(runtime, job_id, "done")

    changes: list[tuple[float, int]] = []
    for begin in fleet.lines("begin"):
        ends = [line.at for line in fleet.lines("end") if (line.job, line.pid) == (begin.job, begin.pid)]
        changes += [(begin.at, 1), (ends[0] if ends else killed[begin.pid], -1)]
    assert max(accumulate(change for _, change in sorted(changes))) <= 3, f"killed as Random({seed!r}) says"
