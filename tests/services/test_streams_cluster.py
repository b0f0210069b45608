"""The loop on a Cluster of three: queues lie on different nodes, and nodes go and come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from secrets import token_hex

import msgspec
import pytest

from antiphon.testing.engines import ValkeyCluster
from antiphon.testing.waiting import wait_until
from tests.stores.store_stage import cluster
from tests.transports.worker_stage import FAST, Stage, on_worker_stage

__all__ = ["cluster"]

QUEUES = ("default", "mail", "search", "upload", "index")
# The promises here are not about time, and a machine that starts three nodes may be slow to answer.
ON_CLUSTER = FAST | {"REDIS_CLUSTER": "true", "WORKER_SLOTS": "3", "REDIS_COMMAND_TIME": "10s"}


@pytest.fixture
async def stage(tmp_path: Path, cluster: ValkeyCluster) -> AsyncIterator[Stage]:
    """A worker with fewer slots than there are queues."""
    async with on_worker_stage(tmp_path, cluster.url, f"test-{token_hex(4)}", ON_CLUSTER) as running:
        yield running


async def put_into(stage: Stage, queue: str, name: str = "word:say", **inputs: str) -> str:
    """Queue a call there."""
    message = stage.message(name, **inputs)
    return await stage.put_message(msgspec.structs.replace(message, id=f"{queue}.{stage.app.runtime.ids.uuid7()}"))


async def test_the_queues_of_all_nodes_are_served(stage: Stage) -> None:
    """With fewer slots than queues, so that each has to wait for its turn."""
    ids = [await put_into(stage, queue, text=f"{queue} {number}") for number in range(20) for queue in QUEUES]

    for job_id in ids:
        await stage.reaches(job_id, "done", within=60)

    assert len(stage.world.said) == len(ids)


async def test_no_more_jobs_run_than_there_are_slots(stage: Stage) -> None:
    """Across the queues of all nodes."""
    ids = [await put_into(stage, queue, "gate:wait") for _ in range(2) for queue in QUEUES]
    await wait_until(lambda: stage.world.running == 3, "the slots were never full", within=20)

    stage.world.gate.set()
    for job_id in ids:
        await stage.reaches(job_id, "done", within=60)

    assert stage.world.most_running == 3


async def test_consuming_goes_on_after_nodes_were_restarted(stage: Stage, cluster: ValkeyCluster) -> None:
    """All of them are killed and come back: what ran is settled, what waits is done."""
    running = [await put_into(stage, queue, "gate:wait") for queue in QUEUES[:3]]
    await wait_until(lambda: stage.world.running == 3, "the jobs never ran", within=20)
    for node in cluster.nodes:
        await node.ask("WAITAOF", "1", "0", "2000")

    await asyncio.gather(*(node.kill() for node in cluster.nodes))
    stage.world.gate.set()
    await asyncio.gather(*(node.start() for node in cluster.nodes))
    await cluster.whole()

    for job_id in running:
        await stage.reaches(job_id, "done", within=30)
    for queue in QUEUES:
        await stage.reaches(await put_into(stage, queue, text="after"), "done", within=30)
