"""How long sessions live, and what holds while the store is away or full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from antiphon.core.errors import SetupError, Unavailable
from antiphon.core.log import Silent
from antiphon.core.session import SessionEnded
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.identity_stage import ALICE, BOB, Browser, Stage, dump, keys, staged, trips

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Sessions with their usual settings."""
    async with staged(store) as opened:
        yield opened


# Times


async def test_the_times_of_a_session_are_told(stage: Stage) -> None:
    """It begins now, ends after 24 idle hours, and after 30 days in any case."""
    async with stage.call(Browser()) as ctx:
        session = await ctx.session()
        await session.start(ALICE)

        assert session.created_at == ctx.now
        assert session.idle_at == ctx.now + DAY
        assert session.expires_at == ctx.now + 30 * DAY


async def test_an_idle_session_ends_after_a_day(stage: Stage) -> None:
    """24 hours without a call end it, and the cookie is cleared."""
    browser = await stage.sign_in()
    stage.clock.move(DAY)

    assert await stage.who(browser) == ""
    assert isinstance(browser.told, SessionEnded)


async def test_calls_move_the_idle_life_on(stage: Stage) -> None:
    """A session that is used every 23 hours lives on."""
    browser = await stage.sign_in()

    for _ in range(5):
        stage.clock.move(23 * HOUR)
        assert await stage.who(browser) == "alice"


async def test_a_session_ends_after_thirty_days_in_any_case(stage: Stage) -> None:
    """However much it is used, the whole life ends it."""
    browser = await stage.sign_in()
    for _ in range(59):
        stage.clock.move(12 * HOUR)
        assert await stage.who(browser) == "alice"

    stage.clock.move(12 * HOUR)

    assert await stage.who(browser) == ""


async def test_the_idle_life_is_moved_on_once_a_minute_at_most(stage: Stage, store: Store) -> None:
    """Calls within a minute of the last move only read."""
    browser = await stage.sign_in()
    stage.clock.move(timedelta(seconds=61))
    await stage.who(browser)
    written = await dump(store)
    stage.clock.move(timedelta(seconds=59))
    before = await trips(store)

    await stage.who(browser)

    assert await dump(store) == written
    # One read by the call and one by `dump`.
    assert await trips(store) == before + 2


async def test_moving_on_does_not_bring_an_ended_session_back(stage: Stage) -> None:
    """Of calls that move a session on and one that ends it at the same moment, the end wins for good."""
    browser = await stage.sign_in()
    stage.clock.move(HOUR)
    ending = await stage.context(Browser(browser.held)).session()
    stage.clock.move(HOUR)

    await asyncio.gather(ending.end(), *(stage.who(Browser(browser.held)) for _ in range(20)))

    assert await stage.who(browser) == ""


async def test_every_key_lives_as_long_as_its_longest_session(stage: Stage, store: Store) -> None:
    """The store forgets a user's sessions by itself, when the last may not be used any more."""
    await stage.sign_in()

    lifetime = await store.client.pttl((await keys(store))[0])

    day = DAY.total_seconds() * 1000
    assert day - 60_000 < lifetime <= day


async def test_a_shorter_life_in_the_settings_counts_at_once(store: Store) -> None:
    """A restart with other settings applies them to the sessions that are there."""
    async with staged(store) as before:
        browser = await before.sign_in()

    async with staged(store, idle_time="1h") as after:
        after.clock.move(2 * HOUR)

        assert await after.who(browser) == ""


@pytest.mark.parametrize(
    ("settings", "at_fault"),
    [
        ({"idle_time": "30s"}, "session.idle_time"),
        ({"life_time": "1h"}, "session.life_time"),
        ({"touch_time": timedelta(seconds=-1)}, "session.touch_time"),
    ],
)
async def test_lives_that_contradict_each_other_stop_the_start(
    store: Store, settings: dict[str, Any], at_fault: str
) -> None:
    """An idle life shorter than its steps, or longer than the whole life, is told before anything opens."""
    with pytest.raises(SetupError, match=at_fault):
        async with staged(store, **settings):
            pass


# The store


async def test_without_the_store_nobody_is_anonymous() -> None:
    """A session that cannot be read makes the call Unavailable, whoever asks for the caller."""
    async with ValkeyServer() as server:
        store = Store(server.url, prefix="t", log=Silent(), command_time=timedelta(seconds=0.2))
        async with staged(store) as stage:
            browser = await stage.sign_in()
            await server.kill()

            with pytest.raises(Unavailable):
                await stage.who(browser)
        await store.close()


async def test_a_store_that_takes_no_writes_signs_nobody_out() -> None:
    """When the idle life cannot be moved on, what was read still counts."""
    async with ValkeyServer() as server:
        store = Store(server.url, prefix="t", log=Silent())
        async with staged(store) as stage:
            browser = await stage.sign_in()
            stage.clock.move(HOUR)
            await store.client.execute_command("CONFIG", "SET", "maxmemory", "1")

            assert await stage.who(browser) == "alice"
        await store.close()


async def test_everything_runs_on_a_cluster() -> None:
    """Each step stays within one slot: sign-in over another user's session, rotation, and every kind of end."""
    async with ValkeyServer(arguments=("--cluster-enabled", "yes")) as server:
        store = Store(server.url, prefix="t", log=Silent())
        await store.client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")

        async def forms() -> bool:
            return "'cluster_state': 'ok'" in str(await store.client.execute_command("CLUSTER INFO"))

        await wait_until(forms, "the cluster of one never formed")
        async with staged(store) as stage:
            browser = await stage.sign_in(BOB)
            await stage.sign_in(ALICE, browser)
            await stage.sign_in(ALICE)
            stage.clock.move(HOUR)
            async with stage.call(browser) as ctx:
                session = await ctx.session()
                await session.rotate()
                await session.end_others()
            assert await stage.who(browser) == "alice"
            await stage.end_all("alice")
            assert await stage.who(browser) == ""
        await store.close()


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"not json", b'{"user":1}'])
async def test_a_record_that_cannot_be_read_is_no_session(stage: Stage, store: Store, value: bytes) -> None:
    """A value of another version signs nobody in, and the user can sign in beside it."""
    browser = await stage.sign_in()
    field = sha256(browser.held.encode()).hexdigest()
    await store.client.hset((await keys(store))[0], field, value)

    assert await stage.who(browser) == ""
    assert await stage.who(await stage.sign_in()) == "alice"
