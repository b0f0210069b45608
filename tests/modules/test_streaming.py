"""The counter: a stream to try, as events and as lines."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from antiphon.testing.clock import StandingClock
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from olympus.streaming.actions import count
from tests.olympus_stage import Olympus, olympus_on

LINES = {"Accept": "application/jsonl"}


async def test_it_counts_as_events(olympus: Olympus) -> None:
    """`streaming:counter` is for anybody, and answers with server-sent events."""
    answer = await olympus.client().get("/api/streaming/counter?to=2")

    assert answer.status == 200
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    events = answer.body.decode().strip().split("\n\n")
    assert events[:2] == ['event: Tick\nid: 1\ndata: {"n":1}', 'event: Tick\nid: 2\ndata: {"n":2}']
    assert events[-1].startswith("event: done")


async def test_it_counts_as_lines(olympus: Olympus) -> None:
    """With `Accept: application/jsonl` each number is a line."""
    answer = await olympus.client().get("/api/streaming/counter?to=3", LINES)

    assert answer.body == b'{"n":1}\n{"n":2}\n{"n":3}\n'


async def test_it_counts_to_five_when_nothing_else_is_said(olympus: Olympus) -> None:
    """`to` is 5 unless it is given."""
    answer = await olympus.client().get("/api/streaming/counter", LINES)

    assert answer.body.count(b"\n") == 5


@pytest.mark.parametrize("to", ["0", "101", "many"])
async def test_a_number_that_does_not_fit_is_refused_before_the_stream(olympus: Olympus, to: str) -> None:
    """`to` is from 1 to 100; anything else is an ordinary 422."""
    answer = await olympus.client().get(f"/api/streaming/counter?to={to}")

    assert answer.status == 422
    assert answer.error["fields"] == [{"name": "to", "message": "is not a whole number from 1 to 100"}]


async def test_a_tenth_of_a_second_lies_between_two_numbers(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str
) -> None:
    """The first number comes at once, and each other one 100 ms after the one before."""
    clock = StandingClock()
    async with olympus_on(tmp_path, f"sqlite:///{tmp_path / 'a.db'}", valkey.url, store_prefix, clock=clock) as olympus:
        came: list[int] = []

        async def take() -> None:
            async for tick in await olympus.running.stream(count, to=3):
                came.append(tick.n)  # noqa: PERF401  # one by one is what is looked at

        taking = asyncio.create_task(take())
        for number in (1, 2, 3):
            await wait_until(lambda number=number: came == [*range(1, number + 1)], f"{number} never came")
            clock.move(timedelta(milliseconds=99))
            await asyncio.sleep(0)
            assert len(came) == number
            clock.move(timedelta(milliseconds=1))
        await taking
