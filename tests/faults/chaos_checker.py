"""Compares what producers were told with what is there, reading files, tables and keys by itself. For `make chaos`."""

# It shares no code with the engine: where a key is and what a state is called is written down here once more.

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from redis.asyncio import Redis

ENDS = frozenset({"done", "dead", "quarantined", "cancelled"})
FIRST_TICK = 1_000_000_000_000
PERIOD = 1000


async def check(folder: Path, url: str, prefix: str, say: Callable[[str], None]) -> Sequence[str]:
    """Everything that is wrong. Reads only the journals, the database and the store."""
    acknowledged = _acknowledged(folder)
    values = _values(folder)
    states = await _states(url, prefix, [job for job, _, _ in acknowledged])
    faults: list[str] = []
    for (job, number, how), state in zip(acknowledged, states, strict=True):
        effect = values.get(number, 0)
        if state not in ENDS:
            faults.append(f"job {job} ({how}) was acknowledged and is {state or 'gone'}")
        elif state == "done" and effect != 1:
            faults.append(f"job {job} ({how}) is done and has {effect} effects")
        if how == "commit" and -number not in values:
            faults.append(f"order {number} was acknowledged and its row is gone")
    numbers = {number for _, number, _ in acknowledged}
    faults += [f"effect {number} is there {value} times" for number, value in values.items() if value != 1]
    faults += _unsent(values)
    ticks = sorted(number for number in values if number >= FIRST_TICK)
    faults += [
        f"no tick between {before} and {following}"
        for before, following in pairwise(ticks)
        if following - before != PERIOD
    ]
    say(
        f"{len(acknowledged)} acknowledged jobs ({sum(how == 'commit' for _, _, how in acknowledged)} by commits), "
        f"{sum(state == 'done' for state in states)} done, "
        f"{sum(state in ENDS - {'done'} for state in states)} ended otherwise, {len(ticks)} ticks, "
        f"{sum(0 < number < FIRST_TICK for number in set(values) - numbers)} effects of jobs that nobody was told of"
    )
    return faults


def _unsent(values: dict[int, int]) -> list[str]:
    """A commit whose producer never heard of it stands all the same, and so must its effect."""
    return [f"order {-row} was committed and has no effect" for row in values if row < 0 and -row not in values]


def _acknowledged(folder: Path) -> list[tuple[str, int, str]]:
    lines = [line for file in sorted(folder.glob("acknowledged-*")) for line in file.read_text().splitlines()]
    return [(job, int(number), how) for job, number, how in (line.split("\t") for line in lines)]


def _values(folder: Path) -> dict[int, int]:
    with closing(sqlite3.connect(folder / "app.db")) as database:
        return dict(database.execute("SELECT id, value FROM counters").fetchall())


async def _states(url: str, prefix: str, jobs: Sequence[str]) -> list[str]:
    client: Any = cast("Any", Redis).from_url(url)
    try:
        pipeline = client.pipeline(transaction=False)
        for job in jobs:
            queue = job.rpartition(".")[0]
            pipeline.hget(f"{prefix}:{{jobs.{queue}}}:job:{job}", "state")
        return [(state or b"").decode() for state in await pipeline.execute()]
    finally:
        await client.aclose()
