"""How workers come by jobs: fetch what is ready, claim what a dead worker has left, start it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, NamedTuple, cast

from redis.exceptions import ResponseError

from antiphon.core.clock import Clock
from antiphon.core.log import Logger
from antiphon.services.streams.engine import by_queue, millis
from antiphon.services.streams.keys import GROUP
from antiphon.services.streams.losses import tell_emptied
from antiphon.services.streams.message import JobError, Undecodable, UnknownVersion, decode_job
from antiphon.services.streams.settings import StreamSettings
from antiphon.services.streams.settling import Held, Settling
from antiphon.services.streams.values import (
    Cancelled,
    Entry,
    Outcome,
    Quarantined,
    Refused,
    RefusedBecause,
    Running,
    Unknown,
)
from antiphon.stores.base import Store
from antiphon.stores.client import StoreClient
from antiphon.stores.scripts.jobs import taking as steps
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.taking import Taken

_LOOK_SECONDS = 0.25
"""How often a queue is looked at that cannot be waited for: one that is paused, or has a cap on all its jobs."""
_GONE = ("NOGROUP", "UNBLOCKED")
_NEVER_STARTED: dict[str, RefusedBecause] = {"gone": "gone", "lost": "lost", "paused": "paused"}


class _Ended(NamedTuple):
    """A start that is only there to be settled."""

    because: RefusedBecause
    held: Held
    crashes: int
    outcome: Outcome


class Taking(Settling):
    """Steps that hand jobs to workers."""

    def __init__(self, store: Store, settings: StreamSettings, clock: Clock, log: Logger) -> None:
        super().__init__(store, settings, clock, log)
        self._grouped: set[str] = set()

    async def fetch(
        self,
        client: StoreClient,
        consumer: str,
        queues: Sequence[str],
        count: int,
        *,
        low_first: bool = False,
        block: timedelta | None = None,
    ) -> list[Entry]:
        """Take at most `count` ready jobs: high before normal before low, of the queues in the order given.

        Rotate the queues from round to round, and say `low_first` in one of ten. With nothing there it waits up to
        `block` in the store: `client` must have a command time of that and a second more, and a connection for it.
        """
        entries: list[Entry] = []
        paused = {queue for queue in queues if self.settings.of(queue).paused}
        asked = [queue for queue in queues if queue not in paused]
        while asked and len(entries) < count:
            shares = _shares(asked, count - len(entries))
            answers = await steps.fetch(
                self.store,
                consumer,
                [(self.keys.of_queue(queue), share, self.settings.of(queue).slots or 0) for queue, share in shares],
                order="312" if low_first else "123",
            )
            generous: list[str] = []
            for (queue, share), fetched in zip(shares, answers, strict=True):
                await self._know(queue, made=fetched.made)
                entries += _entries(queue, fetched.entries)
                if fetched.paused:
                    paused.add(queue)
                elif len(fetched.entries) == share:
                    generous.append(queue)
            asked = asked[len(shares) :] + generous
        if entries or block is None or count < 1:
            return entries
        return await self._wait(client, consumer, [queue for queue in queues if queue not in paused], count, block)

    async def start(self, entries: Sequence[Entry], consumer: str) -> list[Running | Refused]:
        """Begin attempts: counts each start, before anything runs, and gives it a token above all earlier ones.

        Poison, bytes that are no message, messages of another release and cancelled jobs are dealt with here. What a
        worker starts again without having heard of its own start is no crash.
        """
        groups = by_queue((entry.queue, (place, entry)) for place, entry in enumerate(entries))
        answers = await steps.start(
            self.store,
            consumer,
            [self._named(queue, (entry for _, entry in group)) for queue, group in groups.items()],
            most_crashes=self.settings.max_crashes,
        )
        begun: dict[int, Running | Refused] = {}
        ended: dict[int, _Ended] = {}
        for group, attempts in zip(groups.values(), answers, strict=True):
            for (place, entry), attempt in zip(group, attempts, strict=True):
                answer = self._begin(entry, consumer, attempt)
                if isinstance(answer, _Ended):
                    ended[place] = answer
                else:
                    begun[place] = answer
        if ended:
            states = await self._settle_held([(one.held, one.outcome) for one in ended.values()])
            for (place, one), state in zip(ended.items(), states, strict=True):
                begun[place] = Refused(one.held.entry, one.because, state, one.held.message, one.crashes)
        return [begun[place] for place in range(len(entries))]

    async def give_back(self, entries: Sequence[Entry], consumer: str) -> None:
        """Put entries that were taken and not started back among the ready."""
        groups = by_queue((entry.queue, entry) for entry in entries)
        await steps.give_back(self.store, consumer, [self._named(queue, group) for queue, group in groups.items()])

    async def claim(self, consumer: str, queues: Sequence[str], count: int) -> list[Entry]:
        """Take over at most `count` jobs whose worker has given no sign of life for the lease. Start them as usual."""
        entries: list[Entry] = []
        idle = millis(self.settings.lease_time)
        for queue in queues:
            if count <= len(entries):
                break
            keys = self.keys.of_queue(queue)
            entries += _entries(
                queue, await steps.claim(self.store, consumer, keys, count - len(entries), idle)
            )  # fmt: skip
        return entries

    def _begin(self, entry: Entry, consumer: str, attempt: steps.Attempt) -> Running | Refused | _Ended:
        what, token, data, failed, crashes, waited = attempt
        if what in _NEVER_STARTED:
            return Refused(entry, _NEVER_STARTED[what])
        message, unknown = None, False
        try:
            message = decode_job(data)
        except UnknownVersion:
            unknown = True
        except Undecodable:
            pass
        held = Held(entry, token, message)
        if what == "cancel":
            return _Ended("cancelled", held, crashes, Cancelled())
        if what == "poison":
            error = JobError("CRASHED", f"Its worker died {crashes} times while it ran.")
            return _Ended("poison", held, crashes, Quarantined("poison", error))
        if unknown:
            return _Ended("unknown", held, crashes, Unknown())
        if message is None:
            error = JobError("UNDECODABLE", "Its bytes are no message that any release has written.")
            return _Ended("undecodable", held, crashes, Quarantined("undecodable", error))
        return Running(entry, consumer, token, message, failed + 1, crashes, waited / 1000)

    async def _wait(
        self, client: StoreClient, consumer: str, queues: Sequence[str], count: int, block: timedelta
    ) -> list[Entry]:
        """Wait for the next ready job. It goes to one of those who wait, so nobody has to be woken in vain."""
        # A cap on all jobs of a queue is counted by the fetch script, which cannot wait.
        free = [queue for queue in queues if self.settings.of(queue).slots is None]
        wait = block.total_seconds()
        if not free:
            await asyncio.sleep(min(wait, _LOOK_SECONDS))
            return []
        if len(free) < len(queues):
            wait = min(wait, _LOOK_SECONDS)
        streams = {
            key: (queue, priority)
            for queue in free
            for priority, key in enumerate(self.keys.of_queue(queue)[4:], start=1)
        }
        try:
            found = await client.execute_command(
                *("XREADGROUP", "GROUP", GROUP, consumer, "COUNT", 1, "BLOCK", millis(wait)),
                *("STREAMS", *streams, *(">" for _ in streams)),
            )
        except ResponseError as error:
            if str(error).startswith(_GONE):
                return []  # the store was emptied in the meantime: the next round makes the groups anew
            raise
        entries: list[Entry] = []
        for key, items in cast("dict[bytes, list[Any]]", found or {}).items():
            queue, priority = streams[key.decode()]
            entries += _entries(queue, [Taken(priority, at.decode(), _id(fields)) for at, fields in items])
        if len(entries) > count:
            await self.give_back(entries[count:], consumer)
        return entries[:count]

    def _named(self, queue: str, entries: Iterable[Entry]) -> tuple[QueueKeys, list[tuple[str, Taken]]]:
        # Whatever stands in a stream, the keys of a script share one slot. There is no job of that name: it is "gone".
        key, front = self.keys.job, f"{queue}."
        named = [
            (key(job_id if job_id.startswith(front) else f"{front}-"), Taken(priority, entry_id, job_id))
            for _, priority, entry_id, job_id in entries
        ]
        return self.keys.of_queue(queue), named

    async def _know(self, queue: str, *, made: bool) -> None:
        """Groups that were there and are not mean that the store has lost everything."""
        if queue not in self._grouped:
            self._grouped.add(queue)
        elif made and await tell_emptied(self.store, self._log):
            self.losses += 1


def _shares(queues: Sequence[str], count: int) -> list[tuple[str, int]]:
    """How many to ask of each queue, so that together they are never more than `count`."""
    asked = queues[:count]
    share, more = divmod(count, len(asked))
    return [(queue, share + (place < more)) for place, queue in enumerate(asked)]


def _entries(queue: str, taken: Iterable[Taken]) -> list[Entry]:
    return [Entry(queue, priority, entry_id, job_id) for priority, entry_id, job_id in taken]


def _id(fields: dict[bytes, bytes]) -> str:
    return next(iter(fields.values())).decode("utf-8", "replace")
