"""Effects that happen once: the ledger keeps key, effects and result together, on both engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Boolean, column, func, insert, select, table, update

from antiphon import (
    SYSTEM,
    Caller,
    Conflict,
    Connection,
    Context,
    Defect,
    Module,
    NotFound,
    Once,
    Schema,
    SetupError,
    Struct,
    Work,
    action,
    allow,
    anyone,
    get,
    put,
)
from antiphon.services.database.ledger import Ledger
from antiphon.testing.app import TestApp
from antiphon.testing.clock import StandingClock
from antiphon.testing.waiting import wait_until
from tests.services.database_stage import SCHEMA as WITHOUT_LEDGER
from tests.services.outbox_stage import app_with, call_under, counters, database_of, entries, numbers

module = Module(__name__, needs=[Work, Once])


class Counted(Struct, frozen=True):
    """What a counter came to."""

    id: int
    value_now: int


async def _count_up(ctx: Context, number: int) -> int:
    work = ctx.get(Work)
    value = await work.scalar(select(counters.c.value).where(counters.c.id == number).with_for_update())
    if value is None:
        await work.execute(insert(counters), {"id": number, "value": 1})
        return 1
    await work.execute(update(counters).where(counters.c.id == number).values(value=value + 1))
    return value + 1


@action("ledger:count", put("/count"), allow(anyone))
async def count(ctx: Context, number: int, *, fail: bool = False) -> Counted:
    """Count up once, and fail after it if asked to."""
    async with ctx.once():
        value = await _count_up(ctx, number)
        if fail:
            raise NotFound
    return Counted(number, value)


@action("ledger:forgive", put("/forgive"), allow(anyone))
async def count_and_forgive(ctx: Context, number: int) -> int:
    """Count up, fail, and go on as if nothing had been."""
    try:
        async with ctx.once():
            await _count_up(ctx, number)
            raise NotFound
    except NotFound:
        return 0


@action("ledger:outer", put("/outer"), allow(anyone))
async def count_within(ctx: Context, number: int) -> int:
    """Count by another action, and add a hundred."""
    return (await ctx.call(count, number)).value_now + 100


@action("ledger:nothing", put("/nothing"), allow(anyone))
async def count_silently(ctx: Context, number: int) -> None:
    """Count up and say nothing."""
    async with ctx.once():
        await _count_up(ctx, number)


@action("ledger:look", put("/look"), allow(anyone))
async def look_and_count(ctx: Context, number: int) -> int:
    """Read before the block."""
    await ctx.get(Work).scalar(select(counters.c.value))
    async with ctx.once():
        return await _count_up(ctx, number)


@action("ledger:late", put("/late"), allow(anyone))
async def once_too_late(ctx: Context, number: int) -> int:
    """Write before the block."""
    await _count_up(ctx, number)
    async with ctx.once():
        return 0


@action("ledger:twice", put("/twice"), allow(anyone))
async def once_twice(ctx: Context, number: int) -> int:
    """Two blocks in one call."""
    async with ctx.once():
        await _count_up(ctx, number)
    async with ctx.once():
        return await _count_up(ctx, number)


@action("ledger:nested", put("/nested"), allow(anyone))
async def once_nested(ctx: Context, number: int) -> int:
    """A block in a block, by way of another action."""
    async with ctx.once():
        return (await ctx.call(count, number)).value_now


@action("ledger:hasty", put("/hasty"), allow(anyone))
async def commit_early(ctx: Context, number: int) -> int:
    """Commit before the call has a result."""
    async with ctx.once():
        value = await _count_up(ctx, number)
    await ctx.get(Work).commit()
    return value


@action("ledger:read", get("/read"), allow(anyone))
async def once_in_a_get(ctx: Context) -> int:
    """A block where nothing can be written."""
    async with ctx.once():
        return 0


@action("ledger:pour", put("/pour"), allow(anyone))
async def once_in_a_stream(ctx: Context) -> AsyncIterator[int]:
    """A block around items."""
    async with ctx.once():
        yield 1


@pytest.fixture
async def app(database_url: str, tmp_path: Path) -> AsyncIterator[TestApp]:
    """The actions above on a database of their own."""
    async with TestApp.start(app_with(module), tmp_path, {"DATABASE_URL": database_url}, listen=False) as running:
        yield running


async def test_a_repeat_makes_no_effect_and_gives_the_first_result(app: TestApp) -> None:
    """The same key again answers with what the first call gave, in its type."""
    first = await call_under("k", app, count, 1)

    again = await call_under("k", app, count, 1)

    assert again == first == Counted(1, 1)
    assert await numbers(app) == [(1, 1)]


async def test_another_key_is_another_effect(app: TestApp) -> None:
    """Only the key tells a repeat from a new call."""
    await call_under("a", app, count, 1)

    assert await call_under("b", app, count, 1) == Counted(1, 2)


async def test_a_call_without_a_key_has_one_of_its_own(app: TestApp) -> None:
    """Nothing names it, so nothing repeats it."""
    await call_under("", app, count, 1)

    assert await call_under("", app, count, 1) == Counted(1, 2)


async def test_no_result_is_a_result(app: TestApp) -> None:
    """An action that gives nothing gives nothing again, and does nothing again."""
    await call_under("k", app, count_silently, 1)

    assert await call_under("k", app, count_silently, 1) is None
    assert await numbers(app) == [(1, 1)]


async def test_a_failed_block_leaves_neither_effect_nor_key(app: TestApp) -> None:
    """The next call under the same key makes the effect."""
    with pytest.raises(NotFound):
        await call_under("k", app, count, 1, fail=True)
    assert (await numbers(app), await entries(app)) == ([], [])

    assert await call_under("k", app, count, 1) == Counted(1, 1)


async def test_an_action_that_forgives_a_failed_block_commits_nothing_of_it(app: TestApp) -> None:
    """Half of the effects must not stand under the key, even if the call succeeds."""
    assert await call_under("k", app, count_and_forgive, 1) == 0

    assert (await numbers(app), await entries(app)) == ([], [])


async def test_fifty_at_once_make_one_effect_and_get_one_result(app: TestApp) -> None:
    """Whoever comes while the first is at work waits for its end."""
    results = await asyncio.gather(*(call_under("k", app, count, 1) for _ in range(50)))

    assert results == [Counted(1, 1)] * 50
    assert await numbers(app) == [(1, 1)]


async def test_a_repeat_that_waited_for_a_failure_makes_the_effect(app: TestApp) -> None:
    """The first of two rolls back; the second, which waited, is then the first."""
    ctx = app.runtime.context(count, Connection("direct"), caller=SYSTEM)
    ctx.idempotency_key = "k"
    repeats: list[asyncio.Task[Counted]] = []

    async def first() -> None:
        async with ctx.once():
            await _count_up(ctx, 1)
            repeats.append(asyncio.create_task(call_under("k", app, count, 1)))
            await _somebody_waits(app)
            raise NotFound

    with pytest.raises(NotFound):
        await first()

    assert await repeats[0] == Counted(1, 1)
    assert await numbers(app) == [(1, 1)]


async def _somebody_waits(app: TestApp) -> None:
    """Wait until a transaction waits for another; SQLite has one writer, and nobody who could tell."""
    database = database_of(app)
    if database.engine == "sqlite":
        return

    locks = table("pg_locks", column("granted", Boolean))

    async def waits() -> bool:
        async with database.transaction() as work:
            return bool(await work.scalar(select(func.count()).select_from(locks).where(~locks.c.granted)))

    await wait_until(waits, "the second call never waited for the first")


async def test_the_result_kept_is_that_of_the_call_from_outside(app: TestApp) -> None:
    """A block in an inner call answers repeats of the outer one."""
    assert await call_under("k", app, count_within, 1) == 101

    assert await call_under("k", app, count_within, 1) == 101
    assert await numbers(app) == [(1, 1)]


async def test_a_key_is_its_callers_own(app: TestApp) -> None:
    """Somebody else's call under the same key is refused and learns nothing of the result."""
    await call_under("k", app, count, 1)

    with pytest.raises(Conflict):
        await call_under("k", app, count, 1, caller=Caller(kind="user", id="ada"))


async def test_a_key_is_its_actions_own(app: TestApp) -> None:
    """The result of one action is never given for another."""
    await call_under("k", app, count, 1)

    with pytest.raises(Conflict):
        await call_under("k", app, count_silently, 1)


async def test_reading_before_the_block_is_fine(app: TestApp) -> None:
    """A rule or the action may look at the database first."""
    assert await call_under("k", app, look_and_count, 1) == 1
    assert await call_under("k", app, look_and_count, 1) == 1


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (once_too_late, "after something was written"),
        (once_twice, "twice in one call"),
        (once_nested, "twice in one call"),
        (commit_early, "commits between ctx.once() and its end"),
    ],
)
async def test_what_would_break_the_promise_is_refused(app: TestApp, misuse: object, words: str) -> None:
    """Writing first, two blocks, or a commit of its own: the words say what, and nothing is written."""
    with pytest.raises(Defect) as caught:
        await call_under("k", app, misuse, 1)  # pyright: ignore[reportArgumentType]  # parametrize gives objects

    assert words in str(caught.value)
    assert (await numbers(app), await entries(app)) == ([], [])


async def test_a_get_has_no_effects_to_keep(app: TestApp) -> None:
    """`once` in a safe action is refused."""
    with pytest.raises(Defect) as caught:
        await call_under("k", app, once_in_a_get)

    assert "safe action" in str(caught.value)


async def test_a_stream_has_no_one_result_to_keep(app: TestApp) -> None:
    """`once` in a streaming action is refused, because its items are committed one by one."""
    items = await app.stream(once_in_a_stream)

    with pytest.raises(Defect) as caught:
        await anext(items)

    assert "streaming action" in str(caught.value)


async def test_an_application_without_the_table_does_not_start(database_url: str, tmp_path: Path) -> None:
    """The error has the lines to add."""
    schema = Schema(WITHOUT_LEDGER.metadata, WITHOUT_LEDGER.migrations)

    with pytest.raises(SetupError) as caught:
        async with TestApp.start(app_with(module, schema=schema), tmp_path, {"DATABASE_URL": database_url}):
            pass

    assert "from antiphon import ledger_metadata" in str(caught.value)


async def test_old_entries_are_forgotten_and_others_kept(database_url: str, tmp_path: Path) -> None:
    """After thirty days; in batches, all of them."""
    clock = StandingClock()
    environ = {"DATABASE_URL": database_url, "LEDGER_PURGE_ROWS": "2"}
    async with TestApp.start(app_with(module), tmp_path, environ, listen=False, clock=clock) as app:
        for key in "abcde":
            await call_under(key, app, count, 1)
        clock.move(timedelta(days=29))
        await call_under("new", app, count, 1)
        clock.move(timedelta(days=2))

        deleted = await app.runtime.require(Ledger, "the test").purge()

        assert deleted == 5
        assert await entries(app) == ["new"]


async def test_a_serving_application_forgets_by_itself(database_url: str, tmp_path: Path) -> None:
    """Old entries go without anybody asking."""
    clock = StandingClock()
    environ = {"DATABASE_URL": database_url}
    async with TestApp.start(app_with(module), tmp_path, environ, listen=False, clock=clock) as app:
        await call_under("old", app, count, 1)
    clock.move(timedelta(days=31))

    async with TestApp.start(app_with(module), tmp_path, environ, clock=clock) as app:

        async def forgotten() -> bool:
            return await entries(app) == []

        await wait_until(forgotten, "the old entry was never deleted")
