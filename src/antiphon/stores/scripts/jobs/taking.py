"""The steps that hand jobs to workers: fetch, start, give back, claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.parts import Argument, run_all, step

_FETCH = step("fetch.lua")
_START = step("start.lua", "lanes.lua")
_GIVE_BACK = step("give_back.lua", "lanes.lua")
_CLAIM = step("claim.lua")


class Taken(NamedTuple):
    """An entry of a ready stream: priority from 1, its id there, and the job's."""

    priority: int
    entry: str
    id: str


class Fetched(NamedTuple):
    """What a queue gave. `made` when its groups were not there: it is new, or the store has lost its data."""

    made: bool
    paused: bool
    entries: list[Taken]


type Begun = Literal["run", "poison", "cancel", "gone", "lost", "paused"]


class Attempt(NamedTuple):
    """What `start` says of one entry. Only the first three of `Begun` have a token and the rest."""

    what: Begun
    token: int = 0
    message: bytes = b""
    failed: int = 0
    crashes: int = 0
    waited: int = 0


async def fetch(
    store: Store, worker: str, queues: Sequence[tuple[QueueKeys, int, int]], *, order: str
) -> list[Fetched]:
    """Take ready jobs: for each queue its keys, how many, and its most running jobs across all workers (0: any).

    `order` is the priorities as they are looked at: `"123"`. One trip.
    """
    calls = [(keys, (worker, count, order, slots)) for keys, count, slots in queues]
    return [
        Fetched(bool(answer[0]), bool(answer[1]), _taken(answer[2:])) for answer in await run_all(store, _FETCH, calls)
    ]


async def start(
    store: Store, worker: str, queues: Sequence[tuple[QueueKeys, Sequence[tuple[str, Taken]]]], *, most_crashes: int
) -> list[list[Attempt]]:
    """Begin attempts: for each queue its keys, and of each entry the key of the job's hash and the entry. One trip."""
    calls = [_with_entries(keys, [worker, most_crashes], entries) for keys, entries in queues]
    return [[_attempt(answer) for answer in answers] for answers in await run_all(store, _START, calls)]


async def give_back(store: Store, worker: str, queues: Sequence[tuple[QueueKeys, Sequence[tuple[str, Taken]]]]) -> None:
    """Put entries that were not started back among the ready, as in `start`. One trip."""
    await run_all(store, _GIVE_BACK, [_with_entries(keys, [worker], entries) for keys, entries in queues])


async def claim(store: Store, worker: str, keys: QueueKeys, count: int, idle: int) -> list[Taken]:
    """Take over at most `count` entries of one queue that have been silent for `idle` milliseconds."""
    return _taken(await store.run(_CLAIM, keys, [worker, count, idle]))


def _with_entries(
    keys: QueueKeys, first: Sequence[Argument], entries: Sequence[tuple[str, Taken]]
) -> tuple[list[str], list[Argument]]:
    # One argument for each: three would cost more than what the script does with them.
    lines = [f"{priority} {entry} {job}" for _, (priority, entry, job) in entries]
    return [*keys, *(key for key, _ in entries)], [*first, *lines]


def _taken(answer: list[Any]) -> list[Taken]:
    items = iter(answer)
    return [
        Taken(int(priority), entry.decode(), job.decode("utf-8", "replace"))
        for priority, entry, job in zip(items, items, items, strict=True)
    ]


def _attempt(answer: list[Any]) -> Attempt:
    what = cast("Begun", answer[0].decode())
    if len(answer) == 1:
        return Attempt(what)
    _, token, message, failed, crashes, waited = answer
    return Attempt(what, int(token), message or b"", int(failed), int(crashes), int(waited))
