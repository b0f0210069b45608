"""Which workers there are: each says so every few seconds."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

import msgspec

from antiphon.services.streams.queue import Queues
from antiphon.services.streams.time import at

LIFE_SECONDS = 30
KNOWN_SECONDS = 30 * 86_400


class WorkerRecord(msgspec.Struct, frozen=True, rename="camel"):
    """What a worker says of itself. `round_at` is when it last completed a round, by the store."""

    id: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    running: int
    started_at: datetime
    round_at: datetime


class Registry:
    """The workers of one store; with `worker_id` this process is one of them."""

    def __init__(self, queues: Queues, worker_id: str = "") -> None:
        self._queues = queues
        self._id = worker_id
        self._started_at = ""

    async def say(self, *, names: Sequence[str], slots: int, running: int, round_age: float) -> None:
        """Say that this worker is there. Raises Unavailable."""
        queues = self._queues
        now = await queues.time.current()
        self._started_at = self._started_at or str(queues.time.millis())
        key = queues.keys.worker(self._id)
        facts = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queues": ",".join(names),
            "slots": slots,
            "running": running,
            "startedAt": self._started_at,
            "roundAt": queues.time.millis() - int(round_age * 1000),
        }
        pipeline = queues.store.client.pipeline(transaction=False)
        pipeline.hset(key, mapping=cast("Any", facts))
        pipeline.expire(key, LIFE_SECONDS)
        pipeline.zadd(queues.keys.known("workers"), {self._id: now.timestamp()})
        pipeline.expire(queues.keys.known("workers"), KNOWN_SECONDS)
        await pipeline.execute()

    async def leave(self) -> None:
        """Say that this worker is gone. Raises Unavailable."""
        pipeline = self._queues.store.client.pipeline(transaction=False)
        pipeline.delete(self._queues.keys.worker(self._id))
        pipeline.zrem(self._queues.keys.known("workers"), self._id)
        await pipeline.execute()

    async def workers(self) -> list[WorkerRecord]:
        """Those that have said so within the last 30 s, by id. Raises Unavailable."""
        queues = self._queues
        since = (await queues.time.current()).timestamp() - LIFE_SECONDS
        client, known = queues.store.client, queues.keys.known("workers")
        await client.zremrangebyscore(known, "-inf", since)
        members = cast("list[bytes]", await client.execute_command("ZRANGE", known, 0, -1))
        found = sorted(member.decode() for member in members)
        pipeline = client.pipeline(transaction=False)
        for worker_id in found:
            pipeline.hgetall(queues.keys.worker(worker_id))
        records = cast("list[dict[bytes, bytes]]", await pipeline.execute()) if found else []
        return [_record(worker_id, facts) for worker_id, facts in zip(found, records, strict=True) if facts]


def _record(worker_id: str, facts: dict[bytes, bytes]) -> WorkerRecord:
    text = {name.decode(): value.decode() for name, value in facts.items()}
    return WorkerRecord(
        id=worker_id,
        host=text["host"],
        pid=int(text["pid"]),
        queues=tuple(filter(None, text["queues"].split(","))),
        slots=int(text["slots"]),
        running=int(text["running"]),
        started_at=at(int(text["startedAt"])),
        round_at=at(int(text["roundAt"])),
    )
