"""The audit log: rows that stand with what they tell of, and a chain in which every change is found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.sql.dml import UpdateBase

from antiphon import App, Audit, Caller, Context, Database, Forbidden, Module, Work, action, allow, anyone, get, post
from antiphon.services.audit.chain import AuditChain
from antiphon.services.audit.tables import BEGINNING, audit_end, audit_log
from antiphon.testing.app import TestApp
from tests.services.audit_stage import (
    ADA,
    SCHEMA,
    audit_postgres,
    audit_sqlite,
    database_template,
    rows,
    tamper,
    walk,
)

__all__ = ["audit_postgres", "audit_sqlite", "database_template"]

module = Module(__name__, needs=[Audit, Database])


@action("thing:do", post("/thing"), allow(anyone))
async def do_thing(ctx: Context, thing: str, *, fail: bool = False) -> None:
    """Do a thing, and fail behind it."""
    ctx.get(Audit).record(thing)
    if fail:
        raise Forbidden


@action("thing:refuse", post("/refused"), allow(anyone))
async def refuse_thing(ctx: Context, thing: str) -> None:
    """Refuse a thing while a transaction is open."""
    ctx.get(Audit).record_apart(thing, outcome="refused")
    await ctx.get(Work).execute(insert(audit_end).values(id=2, seq=0, hash=""))
    raise Forbidden


@action("thing:look", get("/thing"), allow(anyone))
async def look_at_thing(ctx: Context, thing: str) -> None:
    """Look at a thing, which commits nothing."""
    ctx.get(Audit).record(thing, outcome="seen")


@pytest.fixture
async def app(tmp_path: Path, database_url: str) -> AsyncIterator[TestApp]:
    """An application with an audit log, on both engines."""
    stage = App("stage", modules=[module], values=[SCHEMA])
    async with TestApp.start(stage, tmp_path, {"DATABASE_URL": database_url}, listen=False) as running:
        yield running


async def test_a_row_says_who_did_what_to_what(app: TestApp) -> None:
    """Time, actor, tenant, action, object, outcome, request, and the hash of what stood before."""
    await app.call_as(ADA, do_thing, "lamp")

    (row,) = await rows(app)
    assert (row.actor, row.tenant_id, row.action) == (ADA.id, ADA.tenant_id, "thing:do")
    assert (row.object, row.outcome, row.seq, row.before_hash) == ("lamp", "done", 1, BEGINNING)
    assert row.request_id
    assert row.at.tzinfo is not None


async def test_the_system_and_nobody_are_actors_too(app: TestApp) -> None:
    """Who has no id is named by their kind."""
    await app.call(do_thing, "lamp")
    await app.call_as(Caller(), do_thing, "lamp")

    assert [row.actor for row in await rows(app)] == ["system", "anonymous"]


async def test_what_was_not_done_leaves_no_row(app: TestApp) -> None:
    """A row is of the call's transaction, and goes with it."""
    with pytest.raises(Forbidden):
        await app.call_as(ADA, do_thing, "lamp", fail=True)

    assert [(row.object, row.outcome) for row in await rows(app)] == [("", "refused")]


async def test_an_empty_log_is_intact(app: TestApp) -> None:
    """Nothing is in its place."""
    assert await walk(app) == AuditChain(True, 0, None, 0, "", True)


async def test_a_refusal_leaves_a_row(app: TestApp) -> None:
    """A row apart stands although the call has failed and its transaction, which was open, is undone."""
    with pytest.raises(Forbidden):
        await app.call_as(ADA, refuse_thing, "lamp")

    (row,) = await rows(app)
    assert (row.object, row.outcome) == ("lamp", "refused")


async def test_a_safe_call_leaves_a_row(app: TestApp) -> None:
    """A call that only reads has no transaction to write in, and is recorded in one of its own."""
    await app.call_as(ADA, look_at_thing, "lamp")

    assert [row.outcome for row in await rows(app)] == ["seen"]


async def test_texts_fit_their_columns(app: TestApp) -> None:
    """What is too long is cut, and what no database takes is replaced."""
    await app.call_as(ADA, do_thing, "a\tb" + "x" * 300)

    (row,) = await rows(app)
    assert row.object == "a?b" + "x" * 253


async def test_many_at_once_make_one_chain(app: TestApp) -> None:
    """Calls that end at the same moment take turns at the end of the chain."""
    await asyncio.gather(*(app.call_as(ADA, do_thing, f"lamp {number}") for number in range(50)))

    found = await walk(app)
    assert (found.intact, found.rows, found.broken_at) == (True, 50, None)


async def test_two_processes_make_one_chain(app: TestApp, database_url: str) -> None:
    """Processes take turns at the end of the chain as calls do."""
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.services.audit_process", database_url, name, "20"),
            stderr=asyncio.subprocess.PIPE,
        )
        for name in ("one", "two")
    ]
    errors = [(await process.communicate())[1].decode() for process in processes]

    found = await walk(app)
    assert errors == ["", ""]
    assert (found.intact, found.rows) == (True, 40)
    assert sorted(row.actor for row in await rows(app)) == ["one"] * 20 + ["two"] * 20


async def test_a_chain_that_is_longer_than_a_page_is_walked_to_its_end(app: TestApp) -> None:
    """The walk goes on behind each page, and finds what is changed behind the first."""
    for number in range(5):
        await app.call_as(ADA, do_thing, f"lamp {number}")
    whole = await walk(app, page=2)
    await tamper(app, update(audit_log).where(audit_log.c.seq == 4).values(object="x"))
    broken = await walk(app, page=2)

    assert (whole.intact, whole.rows) == (True, 5)
    assert (broken.intact, broken.broken_at) == (False, 5)


async def test_a_walk_goes_on_where_another_has_ended(app: TestApp) -> None:
    """Behind the row and the hash that the other gave, and with another hash it does not begin."""
    for number in range(3):
        await app.call_as(ADA, do_thing, f"lamp {number}")
    first = await walk(app)
    await app.call_as(ADA, do_thing, "chair")

    rest = await walk(app, after=first.seq, after_hash=first.hash)
    other = await walk(app, after=first.seq, after_hash="f" * 64)

    assert (rest.intact, rest.rows, rest.seq) == (True, 1, 4)
    assert (other.intact, other.broken_at) == (False, 4)


@pytest.mark.parametrize(
    ("statements", "broken_at"),
    [
        ([update(audit_log).where(audit_log.c.seq == 2).values(object="another")], 3),
        ([update(audit_log).where(audit_log.c.seq == 3).values(outcome="seen")], 4),
        ([update(audit_log).where(audit_log.c.seq == 2).values(tenant_id=None)], 3),
        ([delete(audit_log).where(audit_log.c.seq == 1)], 1),
        ([delete(audit_log).where(audit_log.c.seq == 2)], 2),
        ([delete(audit_log).where(audit_log.c.seq == 3)], 3),
        ([update(audit_end).where(audit_end.c.id == 1).values(seq=2)], 3),
        ([delete(audit_log)], 1),
        ([delete(audit_end)], 1),
        ([update(audit_end).values(first_seq=2)], 2),
    ],
)
async def test_every_change_is_found(app: TestApp, statements: list[UpdateBase], broken_at: int) -> None:
    """A changed row, a missing one, and an end that was cut off: the walk names the first place that does not fit."""
    for thing in ("lamp", "chair", "table"):
        await app.call_as(ADA, do_thing, thing)
    before = await walk(app)

    await tamper(app, *statements)

    after = await walk(app)
    assert (before.intact, after.intact, after.broken_at) == (True, False, broken_at)


async def test_an_application_without_the_tables_goes_on(tmp_path: Path) -> None:
    """There the record is a line of the log."""
    async with TestApp.start(App("stage", modules=[Module(__name__, needs=[Audit])]), tmp_path, listen=False) as app:
        await app.call_as(ADA, do_thing, "lamp")
