"""Jobs as the tests of queues make them: messages, a queue of their own, and workers that are only a name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from antiphon.core.clock import RandomIds, SystemClock
from antiphon.core.log import Silent
from antiphon.services.streams.keys import digest_of, queue_of
from antiphon.services.streams.message import CallerRef, JobMessage, Lane
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.settings import StreamSettings
from antiphon.services.streams.values import Entry, Refused, Running
from antiphon.stores.base import Store
from antiphon.testing.waiting import wait_until

BOUNDED = (
    "{jobs.*}:ready.*",
    "{jobs.*}:due",
    "{jobs.*}:lanes",
    "{jobs.*}:dead",
    "{jobs.*}:meta",
)
"""The keys of a queue without a lifetime, which bounds of their own hold."""

UNFINISHED = (*BOUNDED, "{jobs.*}:job:*", "{jobs.*}:unique:*")
"""The same for a test that leaves jobs unfinished."""

AT_ONCE = timedelta(milliseconds=1)
"""A lease that is over as soon as anybody looks."""

_IDS = RandomIds()


def message(queue: str = "mail", **fields: Any) -> JobMessage:
    """A job of a queue; `fields` say what is special about it."""
    usual: dict[str, Any] = {
        "id": f"{queue}.{_IDS.uuid7()}",
        "action": "mail:send",
        "schema": "a41f",
        "inputs": msgspec.Raw(b'{"to":"alice"}'),
        "caller": CallerRef("user", "alice", "choir", "http"),
        "request_id": "r1",
        "traceparent": "",
        "tracestate": "",
        "key": "",
        "priority": "normal",
        "attempts": 5,
        "due_at": None,
        "batch": None,
        "enqueued_at": datetime.now(UTC),
    }
    return JobMessage(**{**usual, **fields})


def ordered(key: str, *, blocks: bool = False) -> Lane:
    """A lane for one at a time."""
    return Lane(digest_of(key), 1, blocks=blocks)


def at_most(limit: int, key: str) -> Lane:
    """A lane for so many at a time."""
    return Lane(digest_of(key), limit)


def queues_on(store: Store, **settings: Any) -> Queues:
    """The queues of a store."""
    return Queues(store, StreamSettings(**settings), SystemClock(), Silent())


async def take(queues: Queues, worker: str = "w1", *, count: int = 100, names: Sequence[str] = ("mail",)) -> list[Any]:
    """Fetch and start what is ready: Running or Refused of each."""
    entries = await queues.fetch(queues.store.client, worker, names, count)
    return [*await queues.start(entries, worker)]


async def run_one(queues: Queues, worker: str = "w1", *, names: Sequence[str] = ("mail",)) -> Running:
    """Fetch and start the next job, which must be there."""
    (begun,) = await take(queues, worker, count=1, names=names)
    assert isinstance(begun, Running), begun
    return begun


async def claimed(queues: Queues, by: str, *, queue: str = "mail") -> Entry:
    """Wait until a lease has run out, and claim the job."""
    found: list[Entry] = []

    async def claim() -> bool:
        found.extend(await queues.claim(by, [queue], 1))
        return bool(found)

    await wait_until(claim, "no lease ever ran out")
    return found[0]


async def crash(queues: Queues, job: Running, by: str = "w2") -> Running | Refused:
    """The job's worker dies, and another one claims and starts it. It must be the only one that runs."""
    entry = await claimed(queues, by, queue=job.queue)
    assert entry.job_id == job.job_id
    (begun,) = await queues.start([entry], by)
    return begun


async def state_of(queues: Queues, job_id: str) -> str | None:
    """Where a job stands."""
    record = await queues.view(job_id)
    return None if record is None else record.state


async def come_due(queues: Queues, job_id: str) -> None:
    """Move a delayed job's time into the past."""
    key = queues.keys.due(queue_of(job_id))
    assert await queues.store.client.execute_command("ZADD", key, "XX", "CH", 1, job_id) == 1


async def promoted(queues: Queues, count: int = 1, *, names: Sequence[str] = ("mail",)) -> None:
    """Wait until so many jobs have come due, and move them on."""
    moved = 0

    async def all_moved() -> bool:
        nonlocal moved
        moved += (await queues.promote(names)).moved
        return moved >= count

    await wait_until(all_moved, "the jobs never came due")


@asynccontextmanager
async def reader(store: Store, block: timedelta) -> AsyncGenerator[Any]:
    """A connection that may wait in the store this long."""
    client = store.connect(connections=1, command_time=block + timedelta(seconds=1))
    try:
        yield client
    finally:
        await client.aclose()
