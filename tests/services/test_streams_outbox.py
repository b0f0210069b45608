"""Messages follow the commit: none before it, none without it, each once, in the order of the commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import insert

from antiphon import NotFound, Outbox, Schema, SetupError
from antiphon.services.streams.tables import ASIDE, outbox
from antiphon.testing.app import TestApp
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.database_stage import ONLY_POSTGRESQL
from tests.services.database_stage import SCHEMA as WITHOUT_OUTBOX
from tests.services.outbox_stage import (
    Sheets,
    app_with,
    ask_early,
    count_up,
    counters,
    database_of,
    forgets,
    module,
    numbers,
    peek,
    rows_left,
    write,
)

NEVER = "1h"
"""How often a process looks by itself, where the test shows that it was told."""


@pytest.fixture
def environ(database_url: str, valkey: ValkeyServer, store_prefix: str) -> dict[str, str]:
    """Settings for an application on engines of its own."""
    return {"DATABASE_URL": database_url, "REDIS_URL": valkey.url, "REDIS_PREFIX": store_prefix}


@pytest.fixture
async def app(environ: dict[str, str], tmp_path: Path) -> AsyncIterator[TestApp]:
    """The application of the stage, serving."""
    async with TestApp.start(app_with(module), tmp_path / "app", environ) as running:
        yield running


def sheets_of(app: TestApp) -> Sheets:
    """Where its messages go."""
    return app.runtime.require(Sheets, "the test")


def outbox_of(app: TestApp) -> Outbox:
    """Its outbox."""
    return app.runtime.require(Outbox, "the test")


async def test_a_message_is_sent_when_its_transaction_has_committed(app: TestApp) -> None:
    """It arrives once, and its row is forgotten."""
    assert await app.call(write, "m1") is True

    await sheets_of(app).receives("m1")
    await forgets(app)
    assert await sheets_of(app).sent() == ["m1"]


async def test_a_rollback_sends_nothing(app: TestApp) -> None:
    """What comes after it is all that arrives."""
    with pytest.raises(NotFound):
        await app.call(write, "m1", fail=True)

    await app.call(write, "m2")

    await sheets_of(app).receives("m2")
    assert [number for number, _ in await numbers(app)] == [2]


async def test_messages_are_sent_in_the_order_of_the_commits(app: TestApp) -> None:
    """Of transactions that touch the same row, however many run at once and whenever they named their message."""
    async with database_of(app).transaction(write=True) as work:
        await work.execute(insert(counters), {"id": 1, "value": 0})

    await asyncio.gather(*(app.call(count_up) for _ in range(20)))

    await sheets_of(app).receives(*(f"n{number}" for number in range(1, 21)))


async def test_a_message_whose_id_is_there_already_is_kept_once(app: TestApp) -> None:
    """A repeat by id is the same message."""
    sheets_of(app).full.add("sheet:a")
    await app.call(write, "m1")
    await app.call(write, "m1")

    assert await rows_left(app) == ["sheet:a"]


async def test_reading_leaves_no_transaction_to_wait_for(app: TestApp) -> None:
    """A GET sends at once, and so does a call that has not used the database."""
    assert await app.call(peek) is False
    assert await app.call(ask_early) is False


async def test_a_full_target_holds_up_nobody_else(app: TestApp) -> None:
    """Its messages wait, in order, and those of others are sent."""
    sheet = sheets_of(app)
    sheet.full.add("sheet:a")
    await app.call(write, "a1")
    await app.call(write, "a2")
    await app.call(write, "b3", target="sheet:b")

    await sheet.receives("b3", target="sheet:b")
    assert await sheet.sent() == []
    sheet.full.clear()

    await sheet.receives("a1", "a2")
    await forgets(app)


async def test_a_defect_in_sending_loses_nothing(app: TestApp) -> None:
    """What raises something unexpected is tried again, not set aside."""
    sheet = sheets_of(app)
    sheet.broken.add("sheet:a")
    await app.call(write, "a1")
    await wait_until(lambda: sheet.asked, "nothing was ever tried")
    sheet.broken.clear()

    await sheet.receives("a1")


async def test_what_can_never_be_sent_is_set_aside(app: TestApp) -> None:
    """It stays in the table, is counted, and what is behind it is sent."""
    sheet = sheets_of(app)
    sheet.full.add("sheet:a")
    await app.call(write, "m1")
    await app.call(write, "m2", body="unsendable")
    await app.call(write, "m3")
    sheet.full.clear()

    await sheet.receives("m1", "m3")
    await forgets(app, f"{ASIDE}sheet:a")
    assert outbox_of(app).counts.set_aside == 1


async def test_what_nobody_here_can_send_waits_for_a_release_that_can(app: TestApp) -> None:
    """It is neither set aside nor in the way."""
    await app.call(write, "m1", target="pigeon:post")
    await app.call(write, "m2")

    await sheets_of(app).receives("m2")
    await forgets(app, "pigeon:post")


async def test_two_processes_never_send_both(environ: dict[str, str], tmp_path: Path) -> None:
    """Each message arrives once, whoever commits it."""
    environ["DATABASE_WAIT"] = "20s"
    async with (
        TestApp.start(app_with(module), tmp_path / "1", environ) as one,
        TestApp.start(app_with(module), tmp_path / "2", environ) as two,
    ):
        await asyncio.gather(*((one, two)[number % 2].call(write, f"m{number}") for number in range(60)))

        await forgets(one)
        assert sorted(await sheets_of(one).sent()) == sorted(f"m{number}" for number in range(60))


async def test_more_than_may_be_unconfirmed_is_sent_all_the_same(environ: dict[str, str], tmp_path: Path) -> None:
    """Sending waits for the store to have what was sent before, and goes on by itself."""
    environ |= {"OUTBOX_LOOK_TIME": NEVER, "OUTBOX_BATCH": "3", "OUTBOX_UNCONFIRMED": "3", "DATABASE_WAIT": "20s"}
    async with TestApp.start(app_with(module), tmp_path, environ) as app:
        await asyncio.gather(*(app.call(write, f"m{number}") for number in range(20)))

        await forgets(app)
        assert sorted(await sheets_of(app).sent()) == sorted(f"m{number}" for number in range(20))


async def test_a_commit_wakes_the_one_that_sends(environ: dict[str, str], tmp_path: Path) -> None:
    """Nobody has to look."""
    async with TestApp.start(app_with(module), tmp_path, {**environ, "OUTBOX_LOOK_TIME": NEVER}) as app:
        await app.call(write, "m1")
        await sheets_of(app).receives("m1")
        await app.call(write, "m2")
        await sheets_of(app).receives("m1", "m2")


@ONLY_POSTGRESQL
async def test_a_commit_wakes_the_process_that_sends(environ: dict[str, str], tmp_path: Path) -> None:
    """A process that does not hold the lease tells the one that does, through the database."""
    environ["OUTBOX_LOOK_TIME"] = NEVER
    async with TestApp.start(app_with(module), tmp_path / "1", environ) as holder:
        await holder.call(write, "m1")
        await sheets_of(holder).receives("m1")
        async with TestApp.start(app_with(module), tmp_path / "2", environ) as other:
            await other.call(write, "m2")

            await sheets_of(holder).receives("m1", "m2")
            assert sheets_of(other).asked == []


async def test_a_process_that_nobody_told_finds_what_is_there(environ: dict[str, str], tmp_path: Path) -> None:
    """It looks by itself: here what another wrote that does not send, and has died."""
    async with TestApp.start(app_with(module), tmp_path / "1", environ) as app:
        await app.call(write, "m1")
        await sheets_of(app).receives("m1")
        async with database_of(app).transaction(write=True) as work:
            row = {"id": "m2", "target": "sheet:a", "message": b"", "created_at": app.runtime.clock.now()}
            await work.execute(insert(outbox), row)

        await sheets_of(app).receives("m1", "m2")


async def test_a_process_sends_what_it_has_before_it_ends(environ: dict[str, str], tmp_path: Path) -> None:
    """Also one that only ran a command and never served."""
    async with TestApp.start(app_with(module), tmp_path / "1", environ, listen=False) as command:
        await command.call(write, "m1")

    async with TestApp.start(app_with(module), tmp_path / "2", environ, listen=False) as app:
        assert await sheets_of(app).sent() == ["m1"]
        assert await rows_left(app) == []


async def test_ending_takes_a_bounded_time(environ: dict[str, str], tmp_path: Path) -> None:
    """A target that takes nothing does not keep a process; the message stays."""
    async with TestApp.start(app_with(module), tmp_path / "1", environ) as app:
        sheets_of(app).full.add("sheet:a")
        await app.call(write, "m1")

    async with TestApp.start(app_with(module), tmp_path / "2", environ) as app:
        await sheets_of(app).receives("m1")


async def test_an_application_without_the_tables_does_not_start(environ: dict[str, str], tmp_path: Path) -> None:
    """The error has the lines to add."""
    app = app_with(module, schema=Schema(WITHOUT_OUTBOX.metadata, WITHOUT_OUTBOX.migrations))

    with pytest.raises(SetupError) as caught:
        async with TestApp.start(app, tmp_path, environ):
            pass

    assert "from antiphon import outbox_metadata" in str(caught.value)


async def test_what_is_left_is_measured(app: TestApp) -> None:
    """How many rows wait, and since when the oldest does."""
    sheets_of(app).full.add("sheet:a")
    await app.call(write, "m1")
    await app.call(write, "b2", target="sheet:b")

    def measured() -> bool:
        counts = outbox_of(app).counts
        return counts.sent == 1 and counts.depth.rows == 1 and counts.depth.oldest_at is not None

    await wait_until(measured, "the row that waits was never counted", within=20.0)
    registry = CollectorRegistry()
    for collector in outbox_of(app).collectors():
        registry.register(collector)
    assert registry.get_sample_value("antiphon_outbox_rows") == 1
    assert (registry.get_sample_value("antiphon_outbox_oldest_seconds") or -1) >= 0
    assert registry.get_sample_value("antiphon_outbox_sent_total") == 1
