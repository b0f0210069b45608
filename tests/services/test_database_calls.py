"""A call and its transaction: one for all it does, ended with it, within its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon import App, Defect, NotFound, TimedOut
from antiphon.testing.app import TestApp
from tests.services import database_actions as actions
from tests.services.database_stage import SCHEMA, engine_of


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[TestApp]:
    """The actions of the stage, on a database of their own with few connections."""
    environ = {"DATABASE_URL": database_url, "DATABASE_POOL": "1", "DATABASE_OVERFLOW": "0"}
    async with TestApp.start(App("stage", modules=[actions.module], values=[SCHEMA]), tmp_path, environ) as running:
        yield running


async def test_what_a_call_wrote_is_there_when_its_answer_is(app: TestApp) -> None:
    """The transaction is committed before the answer leaves."""
    answer = await app.client().put("/api/numbers", {"number": 5})

    assert answer.status == 200
    assert (await app.client().get("/api/numbers")).json == [5]


async def test_a_call_that_fails_has_written_nothing(app: TestApp) -> None:
    """Its transaction is rolled back."""
    with pytest.raises(NotFound):
        await app.call(actions.add, 5, fail=True)

    assert await app.call(actions.list_numbers) == []


async def test_calls_within_a_call_share_its_transaction(app: TestApp) -> None:
    """All of them are written or none."""
    await app.call(actions.add_both, 1)
    with pytest.raises(NotFound):
        await app.call(actions.add_both, 10, fail=True)

    assert await app.call(actions.list_numbers) == [1, 2]


async def test_a_get_cannot_write(app: TestApp) -> None:
    """It is a fault of ours, and the caller is told no more than that."""
    answer = await app.client().get("/api/numbers/sneak")

    assert (answer.status, answer.error["type"]) == (500, "DEFECT")
    assert b"INSERT" not in answer.body
    assert (await app.client().get("/api/numbers")).json == []


async def test_what_is_taken_is_a_conflict_on_the_wire(app: TestApp) -> None:
    """409, and neither SQL nor a value in it."""
    await app.client().put("/api/numbers", {"number": 5})

    answer = await app.client().put("/api/numbers", {"number": 5})

    assert (answer.status, answer.error["type"]) == (409, "CONFLICT")
    assert b"counters" not in answer.body


async def test_a_stream_commits_before_each_item(app: TestApp) -> None:
    """What was sent is written; what failed is not."""
    items = await app.stream(actions.pour, 3)

    with pytest.raises(NotFound):
        _ = [item async for item in items]

    assert await app.call(actions.list_numbers) == [1, 2]


async def test_a_statement_that_outlasts_its_call_is_stopped(app: TestApp, database_url: str) -> None:
    """The caller is told in time, and the only connection is free again."""
    with pytest.raises(TimedOut):
        await app.call(actions.wait, engine_of(database_url))

    assert await app.call(actions.list_numbers) == []


async def test_a_call_that_is_out_of_time_gives_its_connection_back(app: TestApp) -> None:
    """Also when it was waiting for something else."""
    with pytest.raises(TimedOut):
        await app.call(actions.hold)

    assert await app.call(actions.list_numbers) == []


async def test_the_database_is_a_part_of_readiness(app: TestApp) -> None:
    """`/readyz` names it."""
    answer = await app.client().get("/readyz")

    assert (answer.status, answer.json) == (200, {"ready": True, "checks": {"database": "up"}})


async def test_what_only_reads_writes_on_no_transport(app: TestApp) -> None:
    """An action that is reached by GET alone changes nothing, also where nobody says GET."""
    with pytest.raises(Defect):
        await app.call(actions.sneak)

    assert await app.call(actions.list_numbers) == []
