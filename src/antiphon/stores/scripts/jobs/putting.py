"""The step that puts jobs into a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, cast

from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.parts import Argument, run_all, step

_ENQUEUE = step("enqueue.lua", "lanes.lua", "put.lua", needs_room=True)
_AT_ONCE = 250


class NewJob(NamedTuple):
    """A job to put into its queue. `due` is milliseconds since 1970 (0: now), `window` milliseconds.

    `job_key` is the key of its hash, `unique_key` that of its unique key or "". `lanes` is written as `LANE:LIMIT`,
    joined by commas, with a "!" behind each that a dead job keeps.
    """

    id: str
    message: bytes
    priority: int
    due: int
    lanes: str
    window: int
    job_key: str
    unique_key: str


type Put = Literal["new", "", "full"] | str
"""New; "" for a repeat; "full"; else the id of the job that stands for it."""


async def enqueue(
    store: Store, queues: Sequence[tuple[QueueKeys, int, Sequence[NewJob]]], *, alias_life: int
) -> list[list[Put]]:
    """Put jobs into queues, in their order: for each queue its keys, its most unfinished jobs, and the jobs.

    One trip. `alias_life` (milliseconds) is how long the id of a job that another stands for is known.
    """
    calls: list[tuple[list[str], list[Argument]]] = []
    places: list[int] = []
    for place, (keys, most, jobs) in enumerate(queues):
        for start in range(0, len(jobs), _AT_ONCE):
            calls.append(_call(keys, most, jobs[start : start + _AT_ONCE], alias_life))
            places.append(place)
    answers: list[list[Put]] = [[] for _ in queues]
    for place, answer in zip(places, cast("list[list[bytes]]", await run_all(store, _ENQUEUE, calls)), strict=True):
        answers[place] += [text.decode() for text in answer]
    return answers


def _call(keys: QueueKeys, most: int, jobs: Sequence[NewJob], alias_life: int) -> tuple[list[str], list[Argument]]:
    names = [*keys, *(job.job_key for job in jobs)]
    args: list[Argument] = [len(jobs), most, alias_life]
    for job in jobs:
        if job.unique_key:
            names.append(job.unique_key)
        args += arguments(job, len(names) if job.unique_key else 0)
    return names, args


def arguments(job: NewJob, unique_at: int) -> list[Argument]:
    """The seven arguments of one job, as `put.lua` reads them; `unique_at` is the place of its unique key in KEYS."""
    return [job.id, job.message, job.priority, job.due, job.lanes, unique_at, job.window]
