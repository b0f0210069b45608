"""What each script over events takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from antiphon.stores.base import Store
from antiphon.stores.script import Script
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.parts import Argument, putting_step
from antiphon.stores.scripts.jobs.putting import NewJob, arguments

_APPEND = Script.beside(__file__, "append.lua")
_TRIM = Script.beside(__file__, "trim.lua")
_HOLD = Script.beside(__file__, "hold.lua")
_RELEASE = Script.beside(__file__, "release.lua")
_MOVE = Script.beside(__file__, "move.lua")
_FEED = putting_step("feed.lua", Path(__file__).with_name("feed.lua").read_text("utf-8"))
_BEGIN = Script.beside(__file__, "begin.lua")

type Since = Literal["now", "start"]
"""Where a listener begins that was never there before: with what comes, or with all that is kept."""


class Appended(NamedTuple):
    """Where an event is kept, and whether this made it so."""

    entry_id: str
    new: bool


class Place(NamedTuple):
    """A place in a log: an entry, and how many had been added with it. Entries are numbered without a hole."""

    entry_id: str
    number: int

    def __str__(self) -> str:
        return f"{self.entry_id} {self.number}"

    @classmethod
    def read(cls, text: str) -> Place:
        """The place that was written so."""
        entry_id, _, number = text.partition(" ")
        return cls(entry_id, int(number))


class Held(NamedTuple):
    """The right to feed a listener: where its group is, whether it had to be made, and where the log ends."""

    made: bool
    at: Place
    last: Place


async def append(
    store: Store, log: str, events: Sequence[tuple[str, bytes]], *, most: int, keep_millis: int, seen_millis: int
) -> list[Appended]:
    """Keep events in their order, all or none of them; one that was seen is not kept again.

    Each comes with the key that tells that it was seen. `most` is how many events the log holds.
    """
    args: list[str | bytes | int] = [most, keep_millis, seen_millis, *(event for _, event in events)]
    answers = cast("list[tuple[bytes, int]]", await store.run(_APPEND, [log, *(seen for seen, _ in events)], args))
    return [Appended(entry_id.decode(), bool(new)) for entry_id, new in answers]


async def trim(store: Store, log: str, keep_millis: int) -> int:
    """Let go of what has been kept for so long; gives how many events that were."""
    return int(await store.run(_TRIM, [log], [keep_millis]))


async def hold(
    store: Store, log: str, feeder: str, *, group: str, token: str, lease_millis: int, since: Since, at: Place | None
) -> Held | None:
    """Take or renew the right to feed a listener; None when another has it.

    `at` is its cursor, which its group then shows. Without a token the group is only made.
    """
    place = ("", 0) if at is None else at
    answer = cast(
        "list[Any]", await store.run(_HOLD, [log, feeder], [group, token, lease_millis, since, place[0], place[1]])
    )
    if not answer[0]:
        return None
    _, made, entry_id, number, last, added = answer
    return Held(bool(made), Place(_text(entry_id), int(number)), Place(_text(last), int(added)))


async def release(store: Store, feeder: str, token: str) -> None:
    """Give the right back."""
    await store.run(_RELEASE, [feeder], [token])


class Missed(NamedTuple):
    """What a listener can no longer be given: the entry ids between which it stood, and how many there were."""

    first: str
    last: str
    events: int


async def move(
    store: Store, meta: str, field: str, *, expected: Place | None, next: Place | None, missed: Missed | None = None
) -> bool:
    """Move a cursor beside a queue, and note what was missed; False when it is not where it was expected to be.

    Without `next` the cursor and the replay that it belongs to are forgotten.
    """
    told = ("", "", 0) if missed is None else missed
    args = [field, str(expected or ""), str(next or ""), *told]
    return bool(await store.run(_MOVE, [meta], args))


class Cursor(NamedTuple):
    """A cursor beside a queue: its field, where it is believed to be, and where it is when all events are in."""

    field: str
    at: Place
    end: Place


type Fed = Literal["fed", "full", "moved"]
"""All are in; those are that there was room for; none is, as the cursor was not where it was believed to be."""


async def feed(
    store: Store, keys: QueueKeys, cursor: Cursor, jobs: Sequence[tuple[Place, NewJob]], *, most: int, alias_life: int
) -> tuple[Fed, Place]:
    """Put the jobs of a listener into its queue, in their order, and move its cursor with them: both or neither.

    Gives where the cursor is then. `most` is how many unfinished jobs the queue may have, `alias_life` as in `enqueue`.
    """
    args: list[Argument] = [cursor.field, str(cursor.at), str(cursor.end), len(jobs), most, alias_life]
    for place, job in jobs:
        args += [str(place), *arguments(job, 0)]
    names = [*keys, *(job.job_key for _, job in jobs)]
    outcome, at = cast("tuple[bytes, bytes]", await store.run(_FEED, names, args))
    return cast("Fed", outcome.decode()), Place.read(at.decode())


async def begin_replay(store: Store, meta: str, replay: bytes, at: Place, *, forgives: bool) -> bool:
    """Begin a replay there; False when one runs. One that `forgives` ends the complaint about what was missed."""
    return bool(await store.run(_BEGIN, [meta], [replay, str(at), int(forgives)]))


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
