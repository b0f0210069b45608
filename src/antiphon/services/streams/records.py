"""Looks at jobs and queues: one job, pages of them, how deep a queue is, which queues there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import cast

import msgspec
from redis.exceptions import RedisError

from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.core.job import JobState
from antiphon.core.log import Logger
from antiphon.services.streams.engine import Engine, millis
from antiphon.services.streams.keys import queue_of
from antiphon.services.streams.message import JobMessage, Undecodable, UnknownVersion, decode_error, decode_job
from antiphon.services.streams.pages import look, sources
from antiphon.services.streams.record import FINISHED, FailedAttempt, JobFilter, JobPage, JobRecord, QueueDepths
from antiphon.services.streams.settings import StreamSettings
from antiphon.services.streams.time import at
from antiphon.services.streams.values import ProgressNote
from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs import steering as steps
from antiphon.stores.scripts.jobs.lanes import holders_of

_MOST_LOOKS = 20
_NOTE_SECONDS = 60.0
_KNOWN_TIME = timedelta(days=30)


class Records(Engine):
    """Steps that change nothing but what is known of queues."""

    def __init__(self, store: Store, settings: StreamSettings, clock: Clock, log: Logger) -> None:
        super().__init__(store, settings, clock, log)
        self._noted: dict[str, float] = {}

    async def view(self, job_id: str) -> JobRecord | None:
        """A job, or None. Under the id of a job that another stands for, that other one."""
        queue_of(job_id)
        return next(iter(await self._records([job_id])), None)

    async def list(self, queue: str, jobs: JobFilter, *, cursor: str = "", count: int = 50) -> JobPage:
        """Jobs of a queue, page by page; without a state the unfinished and the dead ones."""
        found: list[JobRecord] = []
        order = sources(jobs.state)
        source, _, position = cursor.partition(" ")
        source = source if source in order else order[0]
        for _ in range(_MOST_LOOKS):
            ids, position = await look(self.store, self.keys, queue, source, position, count - len(found))
            found += [record for record in await self._records(ids) if self._fits(record, jobs)]
            if not position:
                rest = order[order.index(source) + 1 :]
                if not rest:
                    return JobPage(_once(found), "")
                source = rest[0]
            if len(found) >= count:
                break
        return JobPage(_once(found), f"{source} {position}")

    async def depths(self, queue: str) -> QueueDepths:
        """How much is in a queue."""
        found = await steps.depths(self.store, self.keys.of_queue(queue))
        # Each unfinished job is due, ready, running, or else behind others in a lane. One that was cancelled after it
        # came through its lane is still counted as ready until a worker meets it.
        waiting = found.unfinished - found.due - found.running - sum(found.ready)
        return QueueDepths(
            queue,
            unfinished=found.unfinished,
            due=found.due,
            waiting=max(0, waiting),
            ready=found.ready,
            running=found.running,
            dead=found.dead,
            paused=found.paused or self.settings.of(queue).paused,
            oldest_seconds=found.oldest / 1000,
        )

    async def known(self) -> Sequence[str]:
        """The queues that were used in the last 30 days."""
        names = cast("list[bytes]", await self.store.client.execute_command("ZRANGE", self.keys.known("queues"), 0, -1))
        return [name.decode() for name in names]

    async def note(self, queues: Iterable[str]) -> None:
        """Write down that these queues exist; at most once a minute each, and no harm when the store is away."""
        now = self._clock.monotonic()
        due = [queue for queue in queues if now - self._noted.get(queue, -_NOTE_SECONDS) >= _NOTE_SECONDS]
        if not due:
            return
        key, millis_now = self.keys.known("queues"), self.time.millis()
        pipeline = self.store.client.pipeline(transaction=False)
        _ = pipeline.zadd(key, dict.fromkeys(due, millis_now))
        _ = pipeline.zremrangebyscore(key, "-inf", millis_now - millis(_KNOWN_TIME))
        _ = pipeline.pexpire(key, _KNOWN_TIME)
        # Also after a failure: a store that is away must not be asked at every turn.
        self._noted.update(dict.fromkeys(due, now))
        try:
            await pipeline.execute()
        except (Unavailable, RedisError):
            self._log.debug("streams.queue_not_noted", queues=due)

    async def pause(self, queue: str) -> None:
        """Let no worker fetch from this queue any more; what runs goes on."""
        await steps.pause(self.store, self.keys.of_queue(queue), paused=True)

    async def resume(self, queue: str) -> None:
        """Let workers fetch from this queue again."""
        await steps.pause(self.store, self.keys.of_queue(queue), paused=False)

    async def _records(self, ids: Sequence[str]) -> list[JobRecord]:
        """The jobs that are there, in this order; for one that another stands for, that one."""
        if not ids:
            return []
        hashes = await self._hashes(ids)
        aliases = {place: there[b"same"].decode() for place, (there, _) in enumerate(hashes) if b"same" in there}
        if aliases:
            for place, found in zip(aliases, await self._hashes([*aliases.values()]), strict=True):
                hashes[place] = found
        ids = [aliases.get(place, job_id) for place, job_id in enumerate(ids)]
        records = [_record(job, there, due) for job, (there, due) in zip(ids, hashes, strict=True) if b"state" in there]
        places = {job: there[b"place"] for job, (there, _) in zip(ids, hashes, strict=True) if b"place" in there}
        waiting = [record.id for record in records if record.state == "waiting"]
        if not waiting:
            return records
        # Whoever lets a job through its lanes does not touch its hash.
        let = [await self._is_admitted(job, places[job]) for job in waiting]
        ready = {job for job, admitted in zip(waiting, let, strict=True) if admitted}
        return [record._replace(state="ready") if record.id in ready else record for record in records]

    async def _hashes(self, ids: Sequence[str]) -> list[tuple[dict[bytes, bytes], float | None]]:
        pipeline = self.store.client.pipeline(transaction=False)
        for job_id in ids:
            _ = pipeline.hgetall(self.keys.job(job_id))
            _ = pipeline.zscore(self.keys.due(queue_of(job_id)), job_id)
        answers = iter(await pipeline.execute())
        return [*zip(answers, answers, strict=True)]

    async def _is_admitted(self, job_id: str, place: bytes) -> bool:
        members = holders_of(place)
        scores = await self.store.client.execute_command("ZMSCORE", self.keys.lanes(queue_of(job_id)), *members)
        return all(score is not None for score in scores)

    def _fits(self, record: JobRecord, jobs: JobFilter) -> bool:
        message = record.message
        if (jobs.state and record.state != jobs.state) or (jobs.reason and record.reason != jobs.reason):
            return False
        if jobs.action and (message is None or message.action != jobs.action):
            return False
        return not jobs.older_than or (
            message is not None and (self.time.now() - message.enqueued_at).total_seconds() >= jobs.older_than
        )


def _once(records: Iterable[JobRecord]) -> tuple[JobRecord, ...]:
    # A job that waits in two lanes is found in both.
    return tuple({record.id: record for record in records}.values())


def _record(job_id: str, there: dict[bytes, bytes], due: float | None) -> JobRecord:
    message: JobMessage | None = None
    raw = there.get(b"message", b"")
    try:
        message = decode_job(raw)
    except (Undecodable, UnknownVersion):
        pass
    state = cast("JobState", there[b"state"].decode())
    starts, failed = int(there.get(b"starts", 0)), int(there.get(b"failed", 0))
    running = state == "running" or (state in FINISHED and starts > 0)
    share, _, note = there.get(b"progress", b"").decode().partition(" ")
    result = there.get(b"result")
    return JobRecord(
        job_id,
        queue_of(job_id),
        state,
        attempt=failed + running,
        crashes=max(0, starts - int(there.get(b"ends", 0)) - (state == "running")),
        cancelling=state == "running" and b"cancel" in there,
        reason=there.get(b"reason", b"").decode(),
        progress=ProgressNote(float(share), note) if share else None,
        due_at=at(due) if due is not None else message.due_at if message is not None else None,
        started_at=at(int(there[b"started"])) if b"started" in there else None,
        finished_at=at(int(there[b"finished"])) if b"finished" in there else None,
        result=None if result is None else msgspec.Raw(result),
        result_omitted=b"omitted" in there,
        errors=tuple(_error(line) for line in there.get(b"errors", b"").splitlines()),
        message=message,
        raw=raw,
    )


def _error(line: bytes) -> FailedAttempt:
    attempt, moment, error = line.split(b" ", 2)
    return FailedAttempt(int(attempt), at(int(moment)), decode_error(error))
