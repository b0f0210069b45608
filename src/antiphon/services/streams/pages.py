"""Where jobs in each state are found, a piece at a time: the places of a queue as a list that can be gone through."""

# A position says how far a source was read, in words that stay true while jobs come and go: never a rank.
#
#   source                 holds                              position
#   due                    scheduled and retrying             SCORE ID of the last one, in order of time
#   high normal low        ready and running                  the last entry
#   lanes                  waiting                            the last member
#   dead                   dead and quarantined               SCORE ID of the last one, the newest first
#   hashes                 everything, in no order            the server's cursor: finished jobs are in no index

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from antiphon.core.errors import InvalidInput
from antiphon.core.job import JobState
from antiphon.services.streams.keys import PRIORITIES, Keys
from antiphon.stores.base import Store
from antiphon.stores.scripts.jobs.lanes import waiting_in

_SCANNED = 500
_STREAM_POSITION = re.compile(r"\d{1,20}-\d{1,20}")
_POSITIONS = {
    "due": (_SCORED := re.compile(r"\d{1,20} \S+")),
    "dead": _SCORED,
    "lanes": re.compile(r"[0-9a-f]+.*"),
    "hashes": re.compile(r"\d{1,20}"),
}

_STREAMS = tuple(PRIORITIES)


def sources(state: JobState | None) -> Sequence[str]:
    """Where jobs in this state are."""
    match state:
        case None:
            return ("due", "lanes", *_STREAMS, "dead")
        case "scheduled" | "retrying":
            return ("due",)
        case "waiting":
            return ("lanes",)
        case "ready" | "running":
            return _STREAMS
        case "dead" | "quarantined":
            return ("dead",)
        case _:
            return ("hashes",)


async def look(
    store: Store, keys: Keys, queue: str, source: str, position: str, count: int
) -> tuple[Sequence[str], str]:
    """The next ids of a source, and the position after them ("" at its end).

    Raises InvalidInput for another position.
    """
    if position and not _POSITIONS.get(source, _STREAM_POSITION).fullmatch(position):
        raise InvalidInput.of("cursor", "is none that a list has given")
    match source:
        case "due":
            return await _scored(store, keys.due(queue), position, count, newest_first=False)
        case "dead":
            return await _scored(store, keys.dead(queue), position, count, newest_first=True)
        case "lanes":
            return await _waiting(store, keys.lanes(queue), position, count)
        case "hashes":
            return await _hashes(store, keys.job(f"{queue}.*"), position)
        case _:
            return await _entries(store, keys.of_queue(queue)[4 + _STREAMS.index(cast("Any", source))], position, count)


async def _scored(
    store: Store, key: str, position: str, count: int, *, newest_first: bool
) -> tuple[Sequence[str], str]:
    command, end = ("ZREVRANGEBYSCORE", "-inf") if newest_first else ("ZRANGEBYSCORE", "+inf")
    score, _, last = position.partition(" ")
    found: list[tuple[bytes, float]] = []
    if score:
        # Those that share the last one's time: a script that settles many gives all of them the same.
        ties = _pairs(await store.client.execute_command(command, key, score, score, "WITHSCORES"))
        found = [(job, at) for job, at in ties if (job < last.encode() if newest_first else job > last.encode())]
    begin = f"({score}" if score else ("+inf" if newest_first else "-inf")
    found += _pairs(await store.client.execute_command(command, key, begin, end, "WITHSCORES", "LIMIT", 0, count))
    found = found[:count]
    ids = [job.decode() for job, _ in found]
    return ids, f"{found[-1][1]:.0f} {ids[-1]}" if len(found) == count else ""


async def _entries(store: Store, key: str, position: str, count: int) -> tuple[Sequence[str], str]:
    begin = f"({position}" if position else "-"
    found = cast("list[Any]", await store.client.execute_command("XRANGE", key, begin, "+", "COUNT", count))
    ids = [next(iter(fields.values())).decode("utf-8", "replace") for _, fields in found]
    return ids, found[-1][0].decode() if len(found) == count else ""


async def _waiting(store: Store, key: str, position: str, count: int) -> tuple[Sequence[str], str]:
    begin = f"({position}" if position else "-"
    found = cast(
        "list[bytes]", await store.client.execute_command("ZRANGEBYLEX", key, begin, "+", "LIMIT", 0, count)
    )  # fmt: skip
    ids = [job for member in found if (job := waiting_in(member)) is not None]
    return ids, found[-1].decode() if len(found) == count else ""


async def _hashes(store: Store, pattern: str, position: str) -> tuple[Sequence[str], str]:
    cursor, names = await store.client.execute_command("SCAN", position or "0", "MATCH", pattern, "COUNT", _SCANNED)
    start = len(pattern) - len(pattern.rpartition(":job:")[2])
    ids = [name.decode()[start:] for name in names]
    following = cursor.decode() if isinstance(cursor, bytes) else str(cursor)
    return ids, "" if following == "0" else following


def _pairs(answer: Any) -> list[tuple[bytes, float]]:
    """Members with scores: pairs in RESP3, and as redis-py gives them."""
    return [(member, float(score)) for member, score in answer]
