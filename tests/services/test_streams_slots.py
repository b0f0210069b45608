"""Tests that queues work on a Cluster: a server in cluster mode refuses a step that touches two slots."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from antiphon.core.log import Silent
from antiphon.services.streams.keys import digest_of
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobFilter
from antiphon.services.streams.values import Dead, Done, Renewal, Retry, Running
from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs import steering
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.streams_stage import AT_ONCE, at_most, come_due, crash, message, ordered, queues_on, reader, take

BLOCK = timedelta(milliseconds=1)


@pytest.fixture
async def queues() -> AsyncGenerator[Queues]:
    """Queues on a server in cluster mode that has every slot."""
    arguments = ("--cluster-enabled", "yes", "--port", str(_free_port()), "--bind", "127.0.0.1")
    async with ValkeyServer(persistent=False, arguments=arguments) as server:
        store = Store(server.url, prefix="test", log=Silent())

        async def ready() -> bool:
            return b"cluster_state:ok" in await store.client.execute_command("CLUSTER", "INFO")

        try:
            await store.client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            await wait_until(ready, "the server never had its slots")
            yield queues_on(store, lease_time=AT_ONCE)
        finally:
            await store.close()


async def test_every_step_touches_one_slot(queues: Queues) -> None:
    """The whole life of jobs with lanes and unique keys, in two queues, goes through on a Cluster."""
    lanes, names = (ordered("room"), at_most(2, "team")), ("mail", "on.receipt:send")
    due = await queues.time.current() + timedelta(hours=1)
    jobs = [message(name, lanes=lanes, unique=digest_of(f"{n}")) for name in names for n in range(4)]
    delayed = [message(name, due_at=due, lanes=lanes) for name in names]
    await queues.enqueue([*jobs, *delayed])
    await queues.enqueue([message("mail", unique=digest_of("0"))])
    for job in delayed:
        await come_due(queues, job.id)
    assert (await queues.promote(names)).moved == 2

    running = [job for job in await take(queues, names=names) if isinstance(job, Running)]
    assert await queues.renew(running) == [Renewal.HELD] * 2
    assert await queues.progress(running[0], 0.5, "half")
    assert await queues.settle_all([(running[0], Retry(0.0)), (running[1], Dead("refused"))]) == ["ready", "dead"]
    (again, other) = await take(queues, names=names)
    assert isinstance(second := await crash(queues, again if again.queue == "mail" else other), Running)
    await queues.release([second])
    await queues.give_back(await queues.fetch(queues.store.client, "w1", ["mail"], 1), "w1")
    await queues.requeue(running[1].job_id)
    await queues.cancel(jobs[3].id)
    assert await queues.view(jobs[3].id) is not None
    for state in (None, "done", "waiting"):
        await queues.list("mail", JobFilter(state=state))
    assert (await queues.depths("mail")).unfinished == 4
    await queues.pause("mail")
    await queues.resume("mail")
    assert await queues.purge("mail") == 0


async def test_a_reader_waits_for_one_queue(queues: Queues) -> None:
    """On a Cluster a reader waits for the jobs of one queue; its three streams share a slot."""
    async with reader(queues.store, BLOCK) as client:
        assert await queues.fetch(client, "w1", ["mail"], 1, block=BLOCK) == []


async def test_workers_that_left_are_forgotten(queues: Queues) -> None:
    """The name of a worker that holds nothing goes after a while; that of one with a job stays until it is claimed."""
    await queues.enqueue([message(), message()])
    await queues.settle((await take(queues, "left", count=1))[0], Done())
    await take(queues, "holds")
    keys = queues.keys.of_queue("mail")

    async def tidied() -> bool:
        return await steering.tidy(queues.store, keys, idle=1) > 0

    await wait_until(tidied, "nobody was forgotten")
    await steering.tidy(queues.store, keys, idle=1)

    claimed: list[object] = []

    async def is_claimed() -> bool:
        claimed.extend(await queues.claim("w2", ["mail"], 5))
        return bool(claimed)

    # A lease that is over at once is over a millisecond later.
    await wait_until(is_claimed, "the job of the worker that holds one was lost")
    assert len(claimed) == 1


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        # The cluster bus takes the port 10,000 above it.
        return port if port < 55_000 else port - 20_000
