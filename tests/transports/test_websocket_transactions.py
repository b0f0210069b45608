"""The transaction of a call on a socket: committed before its answer, rolled back when it is cancelled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon import Module
from antiphon.testing.waiting import wait_until
from tests.services.database_stage import SCHEMA
from tests.transports import surface_rows
from tests.transports.websocket_stage import BEARERS, Stage, on_stage

MODULES = (*BEARERS, Module(surface_rows.__name__, needs=surface_rows.NEEDS))


@pytest.fixture
async def live(tmp_path: Path, shared: tuple[str, str]) -> AsyncIterator[Stage]:
    """The surface with a database."""
    async with on_stage(tmp_path, shared, modules=MODULES, values=[SCHEMA]) as running:
        yield running


async def test_what_was_answered_is_committed_and_shown(live: Stage) -> None:
    """The event comes once the row is there."""
    async with live.talker() as talker:
        await talker.watch("news")
        live.watch.event("row goes on").set()
        assert await talker.result("row:add", number=1) is None

        assert await talker.event("news") == {"body": "1"}
        assert await talker.result("row:count") == 1


async def test_a_cancelled_call_is_rolled_back(live: Stage) -> None:
    """Its row is not there, and its event is never shown; the next one is."""
    async with live.talker() as talker:
        await talker.watch("news")
        frame_id = await talker.say(action="row:add", params={"number": 1})
        await live.watch.event("row written").wait()
        await talker.ask(cancel=frame_id)
        await wait_until(lambda: not len(live.runtime.calls), "the call never ended")
        assert await talker.result("row:count") == 0

        live.watch.event("row goes on").set()
        await talker.result("row:add", number=2)
        assert await talker.event("news") == {"body": "2"}
        assert await talker.result("row:count") == 1


async def test_a_call_whose_client_has_left_is_committed(live: Stage) -> None:
    """It had begun; nobody cuts it off in the middle."""
    async with live.talker() as talker, live.talker() as other:
        await other.watch("news")
        await talker.say(action="row:add", params={"number": 1})
        await live.watch.event("row written").wait()
        talker.connection.transport.abort()
        await live.gone_to(1)
        live.watch.event("row goes on").set()

        assert await other.event("news") == {"body": "1"}
        assert await other.result("row:count") == 1
