"""Calls that run later belong to their transaction: they are sent when it commits, and not at all otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import insert

from antiphon import Batches, Context, NotFound, Tasks, Work, action, allow, anyone, put, queue
from antiphon.services.streams.keys import queue_of
from antiphon.services.streams.queue import Queues
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.outbox_stage import app_with, counters
from tests.services.tasks_stage import KEPT, Actions, jobs_in

pytestmark = pytest.mark.lasting_keys(*KEPT, "{outbox*")


@action("page:index", queue("search"), allow(anyone))
async def index(ctx: Context, number: int, text: str = "") -> None:
    """Index a page."""


@action("page:write", put("/page"), allow(anyone))
async def write(ctx: Context, number: int, fail: bool = False) -> str:
    """Write a page and have it indexed."""
    await ctx.get(Work).execute(insert(counters), {"id": number, "value": 0})
    job = await ctx.later(index, number)
    if fail:
        raise NotFound
    return job.id


@action("pages:write", put("/pages"), allow(anyone))
async def write_many(ctx: Context, count: int, text: str, fail: bool = False) -> str:
    """Write a page and have many indexed."""
    await ctx.get(Work).execute(insert(counters), {"id": count, "value": 0})
    batch = await ctx.fan_out([index.bind(number, text) for number in range(count)])
    if fail:
        raise NotFound
    return batch.id


@action("page:ask", put("/ask"), allow(anyone))
async def ask(ctx: Context) -> str:
    """Have a page indexed, with nothing written."""
    return (await ctx.later(index, 0)).id


@pytest.fixture
async def app(database_url: str, valkey: ValkeyServer, store_prefix: str, tmp_path: Path) -> AsyncIterator[TestApp]:
    """An application with a database, serving."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}
    made = app_with(Actions(index, write, write_many, ask, needs=[Tasks]))
    async with TestApp.start(made, tmp_path / "app", environ) as running:
        yield running


async def test_a_job_is_sent_when_its_transaction_has_committed(app: TestApp) -> None:
    """The id that the call was given is that of the job in the queue."""
    job_id = await app.call(write, 1)

    async def is_there() -> bool:
        return [message.id for message in await jobs_in(app.runtime, "search")] == [job_id]

    assert queue_of(job_id) == "search"
    await wait_until(is_there, "the job never came")


async def test_a_rollback_sends_no_job(app: TestApp) -> None:
    """What comes after it is all that arrives."""
    with pytest.raises(NotFound):
        await app.call(write, 1, fail=True)
    with pytest.raises(NotFound):
        await app.call(write_many, 2, "", fail=True)

    job_id = await app.call(write, 3)

    async def is_there() -> bool:
        return [message.id for message in await jobs_in(app.runtime, "search")] == [job_id]

    await wait_until(is_there, "only that job should have come")


async def test_a_call_without_a_transaction_is_sent_at_once(app: TestApp) -> None:
    """It is in the queue when the call has been answered."""
    job_id = await app.call(ask)

    assert [message.id for message in await jobs_in(app.runtime, "search")] == [job_id]


async def test_a_fan_out_follows_the_commit_with_all_its_pieces(app: TestApp) -> None:
    """However many bytes it has: its pieces and its job leave the outbox, and the pieces are whole."""
    batch_id = await app.call(write_many, 300, "x" * 2_000)
    queues = app.runtime.require(Queues, "the test")
    batches = app.runtime.require(Batches, "the test")

    async def is_there() -> bool:
        return "tasks:fan-out" in [message.action for message in await jobs_in(app.runtime, "search")]

    await wait_until(is_there, "the fan-out never came")

    counts = await batches.counts(batch_id)
    assert counts is not None
    assert counts.total == 300
    assert await queues.store.client.llen(queues.keys.children(batch_id)) > 1
