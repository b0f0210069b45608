"""The steps of a fan-out, each one script that touches the keys of one batch."""

from __future__ import annotations

from typing import NamedTuple, cast

from antiphon.stores.base import Store
from antiphon.stores.script import Script

_PUT = Script.beside(__file__, "put.lua")
_MARK = Script.beside(__file__, "mark.lua")
_REPORT = Script.beside(__file__, "report.lua")
_REMEMBER = Script.beside(__file__, "remember.lua")
_OVERDUE = Script.beside(__file__, "overdue.lua")

_KNOWN_SECONDS = 30 * 86_400
"""How long what is known of unfinished batches is kept after its last use."""


class BatchKeys(NamedTuple):
    """KEYS of every script: all of one batch, all in one slot."""

    meta: str
    children: str
    outcomes: str


class Reported(NamedTuple):
    """What a report came to. `stop`: the rest is to be stopped. `complete`: all have reported, `then` is to be sent."""

    first: bool
    stop: bool
    complete: bool


async def put(store: Store, keys: BatchKeys, place: int, piece: bytes, life_millis: int, *, fail_fast: bool) -> bool:
    """Keep a piece, the head at place 0; False when an earlier one is not there yet."""
    return bool(await store.run(_PUT, keys[:2], [place, piece, life_millis, int(fail_fast)]))


async def mark(store: Store, keys: BatchKeys, field: str, value: int) -> bool:
    """Note something about a batch; whether its children are being stopped."""
    return await store.run(_MARK, [keys.meta], [field, value]) is not None


async def report(
    store: Store, keys: BatchKeys, place: int, outcome: bytes, word: str, total: int, life_millis: int
) -> Reported:
    """Note how a child ended, and learn what is left to do."""
    answer = cast("list[int]", await store.run(_REPORT, keys, [place, outcome, word, total, life_millis]))
    return Reported(*map(bool, answer))


async def remember(store: Store, known: str, batch_id: str, look_millis: int) -> None:
    """Remember that a batch is not finished, and when to look at it for the first time."""
    await store.run(_REMEMBER, [known], [batch_id, look_millis, _KNOWN_SECONDS])


async def overdue(store: Store, known: str, count: int, look_millis: int) -> list[str]:
    """Take unfinished batches that it is time to look at; nobody is given the same ones before the next look."""
    found = cast("list[bytes]", await store.run(_OVERDUE, [known], [count, look_millis, _KNOWN_SECONDS]))
    return [each.decode() for each in found]
