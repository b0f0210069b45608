"""Bytes that are no request on a real socket, however they come: refused, closed, and nothing behind them is read."""

from __future__ import annotations

import pytest

from antiphon.wire.server.bounds import Bounds
from tests.wire.server.hostile import BODIES, BOUNDS, CODINGS, LENGTHS, Row
from tests.wire.server.hostile_heads import ENDLESS, FIELDS, HOSTS, LINES, TOO_LARGE, WITHIN
from tests.wire.server.stage import Stage
from tests.wire.server.talking import SMUGGLED, bytewise, talking

GOOD = b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n"
HOSTILE = [*LENGTHS, *CODINGS, *BODIES, *LINES, *FIELDS, *HOSTS, *TOO_LARGE]
BOUNDED = Bounds(head=BOUNDS)

rows = pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in HOSTILE])


def test_every_row_has_a_name_of_its_own() -> None:
    """A row that hides another would not be run."""
    names = [row.name for row in [*HOSTILE, *ENDLESS]]

    assert len(set(names)) == len(names) > 100


@rows
async def test_it_is_refused_in_one_segment(row: Row) -> None:
    """One answer says why, the connection ends, and the good request behind it is never read."""
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([row.data + SMUGGLED])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [row.status]
    assert answers[0].header("connection") == "close"
    assert b"/smuggled" not in stage.paths


@rows
async def test_it_is_refused_byte_by_byte(row: Row) -> None:
    """The same, when the server reads every byte by itself: where it is cut must not change what it is."""
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments(bytewise(row.data + SMUGGLED))
        answers = await client.answers()

    assert [answer.status for answer in answers] == [row.status]
    assert answers[0].header("connection") == "close"
    assert b"/smuggled" not in stage.paths


@rows
async def test_it_is_refused_behind_a_good_request(row: Row) -> None:
    """The good request of the same segment is answered first, and the one behind is never read."""
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([GOOD + row.data + SMUGGLED])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200, row.status]
    assert answers[1].header("connection") == "close"
    assert stage.paths[0] == b"/good"
    assert b"/smuggled" not in stage.paths


@rows
async def test_it_is_refused_behind_a_request_that_waits(row: Row) -> None:
    """What was held while another request was worked on is refused like what was not."""
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n" + row.data + SMUGGLED])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200, row.status]
    assert b"/smuggled" not in stage.paths


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ENDLESS])
@pytest.mark.parametrize("in_one", [True, False], ids=["one-segment", "bytewise"])
async def test_what_is_too_large_is_refused_before_it_ends(row: Row, in_one: bool) -> None:
    """Nobody waits for the end of it, and what comes instead of the end is never read."""
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([row.data] if in_one else bytewise(row.data[:2000]))
        await client.segments([b"\r\n\r\n" + SMUGGLED])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [row.status]
    assert stage.paths == []


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in BODIES])
@pytest.mark.parametrize("in_one", [True, False], ids=["one-segment", "bytewise"])
async def test_a_body_that_nobody_reads_ends_the_connection_all_the_same(row: Row, in_one: bool) -> None:
    """Whoever answers without reading cannot know that the body is broken; the connection does, or never finds out."""
    data = row.data.replace(b"/body", b"/deaf") + SMUGGLED
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([data] if in_one else bytewise(data))
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200]
    assert answers[0].header("connection") == "close"
    assert stage.paths == [b"/deaf"]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in WITHIN])
@pytest.mark.parametrize("in_one", [True, False], ids=["one-segment", "bytewise"])
async def test_a_head_that_just_fits_is_answered(row: Row, in_one: bool) -> None:
    """A bound is the largest that is taken, and the connection goes on."""
    data = row.data + b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([data] if in_one else bytewise(data))
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200, 200]
    assert stage.paths[-1] == b"/next"


@pytest.mark.asyncio(loop_factories=["asyncio"])
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in HOSTILE[::18]])
async def test_it_is_refused_on_the_other_loop(row: Row) -> None:
    """Of every kind some, on asyncio's own loop."""
    async with Stage(BOUNDED) as stage, talking(stage) as client:
        await client.segments([GOOD + row.data + SMUGGLED])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200, row.status]
    assert b"/smuggled" not in stage.paths
