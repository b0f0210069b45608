"""Every key that jobs, events and batches have in the store, and every id that is made of other names."""

# A Cluster finds a key by its hash-tag, the part in braces. Everything of one queue has the tag {jobs.Q}, everything of
# one event stream {events.S}, everything of one batch {batch.B}; so each script touches one slot.
#
#   key (after the application's prefix)          type                     holds
#   {jobs.Q}:ready.high .normal .low              stream, group workers    ids ready to run
#   {jobs.Q}:due                                  sorted set               ids by due time
#   {jobs.Q}:lanes                                sorted set, lexical      who holds a place in a lane, who waits
#   {jobs.Q}:dead                                 sorted set               dead ids by time
#   {jobs.Q}:meta                                 hash                     unfinished, sequence, paused, ticks
#   {jobs.Q}:job:ID                               hash                     the job
#   {jobs.Q}:unique:DIGEST                        string                   the id that owns the key
#   {events.S}:log                                stream                   events
#   {events.S}:seen:ID  :feeder:LISTENER          strings                  guards; who feeds
#   {batch.B}:meta :children :outcomes            hash, list, hash         a fan-out
#   {known}:queues :streams :workers :worker:ID   sorted sets, hash        what exists
#   {known}:batches                               sorted set               unfinished fan-outs, by the next look at them
#   {probe.N}:probe                               string                   nothing: to ask a node of a Cluster
#   {known}:mark  :loss                           strings                  what the store is known by; a loss was told
#
#   id                        of                                           queue
#   Q.UUIDv7                  a job that somebody enqueued                 Q
#   Q.NAME@MILLIS             a tick of a schedule                         Q
#   Q.BATCH:N                 a child of a batch                           Q
#   on.LISTENER.EVENT         an event on its way to a listener            on.LISTENER
#
# The queue is everything before the last dot: what follows it holds none.

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Literal

from antiphon.core.errors import InvalidInput
from antiphon.core.job import Priority
from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.keys import QueueKeys

GROUP = "workers"
"""The consumer group of every ready stream."""

PRIORITIES: tuple[Priority, ...] = ("high", "normal", "low")
"""In the order in which workers look at them; scripts count them from 1."""

LISTENER_PREFIX = "on."
"""What the names of listeners' queues begin with."""

type Known = Literal["queues", "streams", "workers", "batches"]

_QUEUE = re.compile(r"[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9:_-]*)?")
_TAIL = re.compile(r"[A-Za-z0-9:_@=-]{1,160}")
_DIGEST_BYTES = 10


class Keys:
    """The names of keys in one store, with its prefix."""

    def __init__(self, store: Store) -> None:
        self._key = store.key
        self._queues: dict[str, QueueKeys] = {}

    def of_queue(self, queue: str) -> QueueKeys:
        """The keys that every script of a queue takes, in its order."""
        keys = self._queues.get(queue)
        if keys is None:
            keys = self._queues[queue] = QueueKeys(
                *(self._jobs(queue, name) for name in ("meta", "due", "lanes", "dead")),
                *(self._jobs(queue, f"ready.{priority}") for priority in PRIORITIES),
            )
        return keys

    def ready(self, queue: str, priority: Priority) -> str:
        """The stream of ids that are ready to run."""
        return self._jobs(queue, f"ready.{priority}")

    def due(self, queue: str) -> str:
        """Delayed and retrying ids, by due time in milliseconds."""
        return self._jobs(queue, "due")

    def lanes(self, queue: str) -> str:
        """Who holds a place in a lane, and who waits for one."""
        return self._jobs(queue, "lanes")

    def dead(self, queue: str) -> str:
        """Dead ids, by the time of their death."""
        return self._jobs(queue, "dead")

    def meta(self, queue: str) -> str:
        """What a queue knows of itself: `unfinished`, `seq`, `paused`, and a field `tick:NAME` per schedule."""
        return self._jobs(queue, "meta")

    def job(self, job_id: str) -> str:
        """The hash of a job; its queue is found from the id."""
        queue, _, tail = job_id.rpartition(".")
        return self._key(f"{{jobs.{queue}}}:job:{queue}.{tail}")

    def unique(self, queue: str, digest: str) -> str:
        """Who owns a unique key; `digest` is `digest_of(its text)`."""
        return self._jobs(queue, f"unique:{digest}")

    def log(self, stream: str) -> str:
        """The events of a stream."""
        return self._events(stream, "log")

    def seen(self, stream: str, event_id: str) -> str:
        """Guards against a second append of an event."""
        return self._events(stream, f"seen:{event_id}")

    def feeder(self, stream: str, listener: str) -> str:
        """Who feeds a listener now, with a token."""
        return self._events(stream, f"feeder:{listener}")

    def batch(self, batch_id: str) -> str:
        """What a batch knows of itself."""
        return self._batch(batch_id, "meta")

    def children(self, batch_id: str) -> str:
        """The calls of a batch, in pieces."""
        return self._batch(batch_id, "children")

    def outcomes(self, batch_id: str) -> str:
        """How the children of a batch ended, by their place."""
        return self._batch(batch_id, "outcomes")

    def known(self, kind: Known) -> str:
        """What exists, by the time of its last use; batches by the time of the next look at them."""
        return self._key(f"{{known}}:{kind}")

    def worker(self, worker_id: str) -> str:
        """What one worker says of itself."""
        return self._key(f"{{known}}:worker:{worker_id}")

    def mark(self) -> str:
        """What the store is known by, so that one that comes back empty is told from one that was only away."""
        return self._key("{known}:mark")

    def probe(self, number: int) -> str:
        """A key that is written only to ask the node on which it lies what is on its disk."""
        return self._key(f"{{probe.{number}}}:probe")

    def loss(self) -> str:
        """Whoever makes it is the one of all processes that tells that the store has come back empty."""
        return self._key("{known}:loss")

    def _jobs(self, queue: str, name: str) -> str:
        return self._key(f"{{jobs.{queue}}}:{name}")

    def _events(self, stream: str, name: str) -> str:
        return self._key(f"{{events.{stream}}}:{name}")

    def _batch(self, batch_id: str, name: str) -> str:
        return self._key(f"{{batch.{batch_id}}}:{name}")


def valid_queue(name: str) -> bool:
    """Whether a queue may be called so: `mail`, `mail-bulk`, `on.receipt:send`."""
    return len(name) <= 100 and _QUEUE.fullmatch(name) is not None


def queue_of(job_id: str) -> str:
    """The queue of a job: `search.0193…` is one of `search`. Raises InvalidInput for what is no id of a job."""
    queue, dot, tail = job_id.rpartition(".")
    if not dot or not valid_queue(queue) or not _TAIL.fullmatch(tail):
        raise InvalidInput.of("jobId", "is no id of a job: write <queue>.<id>")
    return queue


def job_id(queue: str, tail: str) -> str:
    """The id of a job of this queue; `tail` is a UUIDv7, or what the job stands for."""
    return f"{queue}.{tail}"


def tick_id(queue: str, schedule: str, at_millis: int) -> str:
    """The id of the job of one tick, so that a repeated tick meets itself."""
    return f"{queue}.{schedule}@{at_millis}"


def child_id(queue: str, batch_id: str, place: int) -> str:
    """The id of a child of a batch; places count from 0."""
    return f"{queue}.{batch_id}:{place}"


def queue_of_listener(listener: str) -> str:
    """The queue from which a listener's events are worked through."""
    return f"{LISTENER_PREFIX}{listener}"


def event_job_id(listener: str, event_id: str, replay: str = "") -> str:
    """The id of the job in which a listener sees an event; `replay` tells the jobs of a replay apart.

    Ids of events come from outside too: one that could not stand in a job's id stands there as its digest.
    """
    tail = event_id if len(event_id) <= 64 and _TAIL.fullmatch(event_id) else f"={digest_of(event_id)}"
    return f"{LISTENER_PREFIX}{listener}.{tail}{'@' if replay else ''}{replay}"


def digest_of(text: str) -> str:
    """A short name for the text of a unique key or a lane: 20 hexadecimal digits."""
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()


def number_of(priority: Priority) -> int:
    """How scripts call a priority."""
    return PRIORITIES.index(priority) + 1
