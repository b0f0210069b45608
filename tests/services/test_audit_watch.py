"""What is recorded of a call by what it was, and how a flood of it stays a few rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from antiphon import (
    App,
    Audit,
    Caller,
    CallError,
    Context,
    Database,
    Forbidden,
    Module,
    NotFound,
    Role,
    Roles,
    Work,
    action,
    admin,
    allow,
    anyone,
    can,
    get,
    post,
    signed_in,
)
from antiphon.core.connection import Connection
from antiphon.core.job import Run
from antiphon.services.audit.chain import Entry
from antiphon.services.audit.counts import OTHERS, WINDOW_SECONDS, AuditCounts
from antiphon.services.audit.tables import audit_log
from antiphon.testing.app import TestApp
from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from tests.services.audit_stage import (
    ADA,
    HERA,
    SCHEMA,
    audit_postgres,
    audit_sqlite,
    database_template,
    rows,
)

__all__ = ["audit_postgres", "audit_sqlite", "database_template"]

TENANT = "0197a000-0000-7000-8000-00000000000b"
PLATFORM = Caller(kind="user", id="0197a000-0000-7000-8000-000000000004", roles=frozenset({"platform"}))
CLERK = Caller(kind="user", id="0197a000-0000-7000-8000-000000000005", roles=frozenset({"clerk"}), tenant_id=TENANT)
ROLES = Roles(Role("platform", ["thing:*:any"]), Role("clerk", ["thing:*:tenant"]), Role("admin", []))

module = Module(__name__, needs=[Audit, Database])


@action("thing:set", post("/thing/{thing_id}"), allow(admin))
async def set_thing(ctx: Context, thing_id: str, *, fail: bool = False) -> None:
    """Set a thing."""
    if fail:
        raise NotFound


@action("thing:edit", post("/thing/{thing_id}/edit"), allow(can("thing:edit")))
async def edit_thing(ctx: Context, thing_id: str) -> None:
    """Edit a thing, which is nowhere to be found by those whose scope is narrow."""
    if ctx.scope != "any":
        raise NotFound


@action("thing:view", get("/thing"), allow(can("thing:view")))
async def view_thing(ctx: Context, tenant_id: str = "") -> None:
    """View a thing, perhaps in another tenant."""
    if tenant_id:
        ctx.as_tenant(tenant_id)


@action("thing:look", get("/look"), allow(signed_in))
async def look_at_thing(ctx: Context) -> None:
    """Look at things beyond one's tenant."""
    ctx.get(Work).unscoped("the test looks further")


@action("thing:wrap", post("/wrap"), allow(anyone))
async def wrap_thing(ctx: Context) -> None:
    """Set a thing from within another action."""
    await ctx.call(set_thing, "lamp")


@action("thing:no", post("/no"), allow(anyone))
async def refuse(ctx: Context) -> None:
    """Refuse, and say so itself."""
    ctx.get(Audit).record_apart("lamp", outcome="refused")
    raise Forbidden


@pytest.fixture
async def app(tmp_path: Path, database_url: str) -> AsyncIterator[TestApp]:
    """An application with an audit log, on both engines."""
    stage = App("stage", modules=[module], values=[SCHEMA, ROLES])
    async with TestApp.start(stage, tmp_path, {"DATABASE_URL": database_url}, listen=False) as running:
        yield running


type Row = tuple[str, str, str, str]

CASES: dict[str, tuple[Caller, str, dict[str, object], list[Row]]] = {
    "an admin's deed": (HERA, "thing:set", {"thing_id": "lamp"}, [(HERA.id, "thing:set", "lamp", "done")]),
    "an admin's failure": (
        HERA, "thing:set", {"thing_id": "lamp", "fail": True}, [(HERA.id, "thing:set", "", "failed: NOT_FOUND")],
    ),
    "a rule that refuses": (ADA, "thing:set", {"thing_id": "lamp"}, [(ADA.id, "thing:set", "admin", "refused")]),
    "a stranger": (Caller(), "thing:set", {"thing_id": "x"}, [("anonymous", "thing:set", "admin", "refused")]),
    "scope any, writing": (
        PLATFORM, "thing:edit", {"thing_id": "lamp"}, [(PLATFORM.id, "thing:edit", "lamp", "done")],
    ),
    "scope any, reading": (PLATFORM, "thing:view", {}, [(PLATFORM.id, "thing:view", "", "any scope")]),
    "an object out of scope": (
        CLERK, "thing:edit", {"thing_id": "lamp"}, [(CLERK.id, "thing:edit", "tenant", "not found")],
    ),
    "another tenant": (
        CLERK, "thing:view", {"tenant_id": ADA.tenant_id}, [(CLERK.id, "thing:view", "another tenant", "refused")],
    ),
    "beyond the tenant": (
        ADA, "thing:look", {}, [(ADA.id, "thing:look", "the test looks further", "unscoped")],
    ),
    "an admin's deed within another": (HERA, "thing:wrap", {}, [(HERA.id, "thing:set", "lamp", "done")]),
    "what the action says itself": (ADA, "thing:no", {}, [(ADA.id, "thing:no", "lamp", "refused")]),
    "what anybody may do": (CLERK, "thing:view", {}, []),
}  # fmt: skip


async def call(app: TestApp, caller: Caller, name: str, inputs: dict[str, object], *, job: Run | None = None) -> None:
    """Call an action by its name, whatever becomes of it."""
    called = app.runtime.actions[name]
    ctx = app.runtime.context(called, Connection("direct"), caller=caller)
    if job is not None:
        ctx.job = job
    try:
        await app.runtime.runner(name).run(ctx, lambda given: called.call((), given).inputs, inputs)
    except CallError:
        return


async def test_each_call_is_recorded_by_what_it_was(app: TestApp) -> None:
    """Deeds of admins, looks beyond a tenant and refusals each leave their row, and nothing else leaves one."""
    wrong: dict[str, object] = {}
    for case, (caller, name, inputs, expected) in CASES.items():
        before = len(await rows(app))
        await call(app, caller, name, inputs)
        found = [(row.actor, row.action, row.object, row.outcome) for row in (await rows(app))[before:]]
        if found != expected:
            wrong[case] = found
    assert wrong == {}


async def test_what_the_application_does_by_itself_is_nobodys_deed(app: TestApp) -> None:
    """A schedule leaves no row for an admin's action; an operator at the command line does."""
    now = datetime.now(UTC)

    async def report(*_: object) -> None:
        """Nobody asks."""

    run = Run("job", 1, 1, now, now, report)
    await call(app, Caller(kind="system"), "thing:set", {"thing_id": "lamp"}, job=run)
    by_itself = len(await rows(app))
    await call(app, Caller(kind="system"), "thing:set", {"thing_id": "lamp"})

    assert (by_itself, len(await rows(app))) == (0, 1)


async def test_rows_are_written_while_the_application_serves(tmp_path: Path, database_url: str) -> None:
    """Nobody has to wait for the end of a minute, or of the process, to see the first refusal."""
    stage = App("stage", modules=[module], values=[SCHEMA, ROLES])
    async with TestApp.start(stage, tmp_path, {"DATABASE_URL": database_url}) as app:
        database = app.runtime.require(Database, "the test")
        await call(app, ADA, "thing:set", {"thing_id": "lamp"})

        async def written() -> bool:
            async with database.transaction() as work:
                return len((await work.execute(select(audit_log))).all()) == 1

        await wait_until(written, "the refusal was never written")


# Counting


def refusal(actor: str = "ada", address: str = "", action: str = "thing:set") -> Entry:
    """A row that is counted."""
    return Entry(datetime.now(UTC), actor, None, action, "admin", "refused", address, "one")


def test_what_repeats_within_a_minute_is_counted() -> None:
    """The first has a row; those after it have one together, at the end of the minute."""
    clock = StandingClock()
    counts = AuditCounts(clock)

    for _ in range(100):
        counts.note(refusal())
    waiting = len(counts.waiting)
    clock.move(timedelta(seconds=WINDOW_SECONDS))
    counts.close(clock.monotonic())

    assert waiting == 1
    assert [entry.times for entry in counts.waiting] == [1, 99]
    assert counts.next_end() is None


def test_the_next_minute_begins_with_a_row() -> None:
    """What goes on has one row and one count for each minute."""
    clock = StandingClock()
    counts = AuditCounts(clock)

    for _ in range(3):
        counts.note(refusal())
        counts.note(refusal())
        clock.move(timedelta(seconds=WINDOW_SECONDS))

    assert [entry.times for entry in counts.waiting] == [1, 1, 1, 1, 1]


def test_more_kinds_than_the_bound_are_counted_together() -> None:
    """Whoever comes from ever new addresses fills no table: beyond the bound they are `others`."""
    counts = AuditCounts(StandingClock(), most=10)

    for number in range(1_000):
        counts.note(refusal("anonymous", f"192.0.2.{number}"))
    counts.close(float("inf"))

    assert [(entry.actor, entry.times) for entry in counts.waiting[10:]] == [(OTHERS, 1), (OTHERS, 989)]


def test_callers_are_told_apart() -> None:
    """Two who are refused have a row each, and one from two addresses has one."""
    counts = AuditCounts(StandingClock())

    for actor, address in (("ada", "a"), ("bob", "a"), ("ada", "b"), ("anonymous", "a"), ("anonymous", "b")):
        counts.note(refusal(actor, address))

    assert [entry.actor for entry in counts.waiting] == ["ada", "bob", "anonymous", "anonymous"]
