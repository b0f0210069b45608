"""The steps of a schedule, each one script that touches the keys of one queue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

from antiphon.stores.base import Store
from antiphon.stores.script import Script
from antiphon.stores.scripts.jobs.keys import QueueKeys
from antiphon.stores.scripts.jobs.parts import Argument, putting_step
from antiphon.stores.scripts.jobs.putting import NewJob, arguments

_LOOK = Script.beside(__file__, "look.lua")
_PASS = Script.beside(__file__, "pass.lua")
_TICK = putting_step("tick.lua", Path(__file__).with_name("tick.lua").read_text("utf-8"))


class Place(NamedTuple):
    """Where a schedule is thought to stand: the field that says so, its value, and the job of its last run ("": none).

    `job_key` is the key of that job's hash.
    """

    field: str
    value: str
    job_id: str
    job_key: str


class NewTick(NamedTuple):
    """A tick and its job; `always` runs it whatever runs."""

    at: int
    always: bool
    job: NewJob


class Ticked(NamedTuple):
    """The value of the field now, and what became of each tick that was dealt with, oldest first.

    Each is "new", "repeated", "skipped" or the id of another job that stands for it.
    """

    value: str
    answers: list[str]


async def look(store: Store, meta: str, fields: Sequence[str]) -> tuple[int, list[str]]:
    """The store's time in milliseconds, and the value of each field ("" for one that is not there)."""
    now, values = cast("tuple[int, list[bytes | None]]", await store.run(_LOOK, [meta], fields))
    return now, ["" if value is None else value.decode() for value in values]


async def tick(
    store: Store, keys: QueueKeys, place: Place, ticks: Sequence[NewTick], *, skips: bool, most: int, alias_life: int
) -> Ticked:
    """Deal with these ticks, if the schedule stands where it is thought to stand.

    `skips` leaves out ticks while a run is unfinished. Fewer answers than ticks: the schedule stands elsewhere, the
    queue has its `most` unfinished jobs, or the tick is one of the future.
    """
    names = [*keys, place.job_key or keys.meta, *(each.job.job_key for each in ticks)]
    args: list[Argument] = [place.field, place.value, place.job_id, int(skips), most, alias_life, len(ticks)]
    for each in ticks:
        if each.job.unique_key:
            names.append(each.job.unique_key)
        args += [each.at, int(each.always), *arguments(each.job, len(names) if each.job.unique_key else 0)]
    value, *answers = cast("list[bytes]", await store.run(_TICK, names, args))
    return Ticked(value.decode(), [answer.decode() for answer in answers])


async def pass_over(store: Store, meta: str, place: Place, value: str) -> str:
    """Move a schedule on without a job, if it stands where it is thought to stand; gives its value now."""
    return cast("bytes", await store.run(_PASS, [meta], [place.field, place.value, value])).decode()
