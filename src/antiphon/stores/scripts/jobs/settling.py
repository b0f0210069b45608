"""The steps of a running job: renew, progress, settle. Each says the token that it was started with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.parts import Argument, run_all, step

_RENEW = step("renew.lua")
_PROGRESS = step("progress.lua")
_SETTLE = step("settle.lua", "lanes.lua", "close.lua")

type Ending = Literal["done", "retry", "snooze", "unknown", "dead", "quarantined", "cancelled", "release"]

HELD, LOST, CANCEL = 1, 2, 3
"""What `renew` answers."""


class Lease(NamedTuple):
    """A running job: the key of its hash, where its entry is, and its token."""

    job_key: str
    id: str
    priority: int
    entry: str
    token: int


class Settlement(NamedTuple):
    """How an attempt ended; `settle.lua` says what `word` and `text` are. `life` and `wait` are milliseconds."""

    lease: Lease
    ending: Ending
    life: int
    wait: int
    word: str | int
    text: bytes
    unique_key: str


async def renew(store: Store, worker: str, queues: Sequence[tuple[QueueKeys, Sequence[Lease]]]) -> list[list[int]]:
    """Hold on to jobs: HELD, LOST or CANCEL of each. One trip."""
    calls: list[tuple[list[str], list[Argument]]] = []
    for keys, leases in queues:
        args: list[Argument] = [worker]
        for lease in leases:
            args += (lease.priority, lease.entry, lease.token)
        calls.append(([*keys, *(lease.job_key for lease in leases)], args))
    return await run_all(store, _RENEW, calls)


async def progress(store: Store, lease: Lease, share: float, note: str) -> bool:
    """Keep how far a job has come; False when its token no longer counts."""
    return bool(await store.run(_PROGRESS, [lease.job_key], [lease.token, f"{share:.4g} {note}"]))


async def settle(
    store: Store, queues: Sequence[tuple[QueueKeys, Sequence[Settlement]]], *, dead_life: int
) -> list[list[str]]:
    """Write how attempts ended; gives the state of each job, "" where the token no longer counts. One trip."""
    answers = await run_all(store, _SETTLE, [_settle_call(keys, those, dead_life) for keys, those in queues])
    return [[state.decode() for state in answer] for answer in answers]


def _settle_call(
    keys: QueueKeys, settlements: Sequence[Settlement], dead_life: int
) -> tuple[list[str], list[Argument]]:
    names = [*keys, *(settlement.lease.job_key for settlement in settlements)]
    args: list[Argument] = [len(settlements), dead_life]
    for (_, job_id, priority, entry, token), ending, life, wait, word, text, unique_key in settlements:
        if unique_key:
            names.append(unique_key)
        unique_at = len(names) if unique_key else 0
        args += (f"{ending} {priority} {entry} {token} {life} {wait} {unique_at} {job_id} {word}", text)
    return names, args
