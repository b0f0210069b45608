"""The steps around running: what comes due, and what somebody decides about a job or a queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.parts import run_all, step

_DUE = step("due.lua", "lanes.lua")
_PROMOTE = step("promote.lua", "lanes.lua")
_CANCEL = step("cancel.lua", "lanes.lua", "close.lua")
_REQUEUE = step("requeue.lua", "lanes.lua")
_DROP = step("drop.lua", "lanes.lua")
_OLD = step("old.lua", "lanes.lua")
_PAUSE = step("pause.lua")
_TIDY = step("tidy.lua")
_DEPTHS = step("depths.lua", "lanes.lua")


class Due(NamedTuple):
    """Ids that have come due, and in how many milliseconds the next one does (-1: there is none)."""

    next_in: int
    ids: list[str]


class Depths(NamedTuple):
    """How much is in a queue; `oldest` is milliseconds, `ready` by priority."""

    unfinished: int
    due: int
    dead: int
    running: int
    ready: tuple[int, int, int]
    paused: bool
    oldest: int


async def due(store: Store, queues: Sequence[QueueKeys], most: int) -> list[Due]:
    """At most so many ids of each queue that have come due. One trip."""
    answers = await run_all(store, _DUE, [(keys, (most,)) for keys in queues])
    return [Due(int(answer[0]), [job.decode() for job in answer[1:]]) for answer in answers]


async def promote(store: Store, queues: Sequence[tuple[QueueKeys, Sequence[str], Sequence[str]]]) -> int:
    """Move jobs that have come due (keys of their hashes, ids) to where workers fetch; how many. One trip."""
    return sum(await run_all(store, _PROMOTE, [((*keys, *hashes), ids) for keys, hashes, ids in queues]))


async def cancel(store: Store, keys: QueueKeys, job_key: str, unique_key: str, job_id: str, life: int) -> str | None:
    """Cancel an unfinished job; gives the state it was in: a running one is only asked, a finished one stays."""
    return _state(await store.run(_CANCEL, _with_unique(keys, job_key, unique_key), [job_id, life]))


async def requeue(
    store: Store, keys: QueueKeys, job_key: str, unique_key: str, job_id: str, priority: int, *, quarantined: bool
) -> str | None:
    """Begin a dead job again; gives the state it was in, and only a dead (or quarantined) one has moved."""
    args = [job_id, priority, "1" if quarantined else ""]
    return _state(await store.run(_REQUEUE, _with_unique(keys, job_key, unique_key), args))


async def drop(store: Store, keys: QueueKeys, job_keys: Sequence[str], ids: Sequence[str]) -> list[str]:
    """Forget dead jobs; gives the state each was in ("": its hash was gone), and others than dead ones stay."""
    return [state.decode() for state in await store.run(_DROP, [*keys, *job_keys], ids)]


async def old(store: Store, keys: QueueKeys, *, life: int, kept: int, most: int) -> list[str]:
    """At most so many ids of dead jobs that are older than `life` milliseconds, or beyond those that are kept."""
    return [job.decode() for job in await store.run(_OLD, keys, [life, kept, most])]


async def tidy(store: Store, keys: QueueKeys, *, idle: int) -> int:
    """Forget workers that hold nothing and have said nothing for `idle` milliseconds; how many names that were."""
    return int(await store.run(_TIDY, keys, [idle]))


async def pause(store: Store, keys: QueueKeys, *, paused: bool) -> None:
    """Let workers fetch from a queue, or not."""
    await store.run(_PAUSE, keys, ["1" if paused else ""])


async def depths(store: Store, keys: QueueKeys) -> Depths:
    """How much is in a queue now."""
    unfinished, due, dead, running, high, normal, low, paused, oldest = await store.run(_DEPTHS, keys)
    return Depths(unfinished, due, dead, running, (high, normal, low), bool(paused), oldest)


def _with_unique(keys: QueueKeys, job_key: str, unique_key: str) -> list[str]:
    return [*keys, job_key, unique_key] if unique_key else [*keys, job_key]


def _state(answer: bytes | None) -> str | None:
    return None if answer is None else answer.decode()
