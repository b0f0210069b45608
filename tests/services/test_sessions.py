"""Sessions: when they exist, what they cost, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.errors import NotSignedIn
from antiphon.core.session import SessionEnded, SessionStarted
from antiphon.stores.base import Store
from tests.services.identity_stage import ALICE, BOB, Browser, Stage, bare, keys, staged, trips

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Sessions with their usual settings."""
    async with staged(store) as opened:
        yield opened


# Coming into being


async def test_a_session_begins_with_sign_in(stage: Stage) -> None:
    """From the next call on, the caller is who signed in, with tenant and roles."""
    browser = await stage.sign_in(ALICE)

    async with stage.call(browser) as ctx:
        assert bare(await ctx.identify()) == ALICE


async def test_signing_in_makes_the_call_itself_the_callers(stage: Stage) -> None:
    """What comes after sign-in in the same call is done by who signed in."""
    async with stage.call(Browser()) as ctx:
        await (await ctx.session()).start(ALICE)

        assert bare(ctx.caller) == ALICE


async def test_the_client_is_told_the_id_for_its_whole_life(stage: Stage) -> None:
    """Sign-in tells the transport an id and the 30 days that it may be kept."""
    browser = await stage.sign_in()

    assert isinstance(browser.told, SessionStarted)
    assert browser.told.life_seconds == 30 * 24 * 3600


async def test_an_anonymous_caller_costs_nothing(stage: Stage, store: Store) -> None:
    """Without an id there is no trip to the store, no key and no cookie."""
    browser, before = Browser(), await trips(store)

    async with stage.call(browser) as ctx:
        session = await ctx.session()

    assert (session.caller, browser.told) == (None, None)
    assert await trips(store) == before
    assert await keys(store) == []


async def test_reading_costs_one_trip(stage: Stage, store: Store) -> None:
    """A call that asks for its caller and its session reads once."""
    browser = await stage.sign_in()
    before = await trips(store)

    async with stage.call(browser) as ctx:
        await ctx.identify()
        await ctx.session()

    assert await trips(store) == before + 1


async def test_reading_changes_no_cookie(stage: Stage) -> None:
    """The transport is told nothing when the session is as it was."""
    browser = await stage.sign_in()

    await stage.who(browser)

    assert browser.told is None


async def test_without_a_session_there_is_nothing_to_ask_it(stage: Stage) -> None:
    """Times, rotation and the end of others need a session; ending one that is not there is nothing."""
    async with stage.call(Browser()) as ctx:
        session = await ctx.session()

        for ask in (lambda: session.created_at, lambda: session.idle_at, lambda: session.expires_at):
            with pytest.raises(NotSignedIn):
                ask()
        with pytest.raises(NotSignedIn):
            await session.rotate()
        with pytest.raises(NotSignedIn):
            await session.end_others()
        await session.end()


@pytest.mark.parametrize("caller", [SYSTEM, Caller(), Caller("user")])
async def test_only_a_user_can_sign_in(stage: Stage, caller: Caller) -> None:
    """The system and callers without an id get no session."""
    async with stage.call(Browser()) as ctx:
        session = await ctx.session()

        with pytest.raises(ValueError, match="belongs to a user"):
            await session.start(caller)


# The end


async def test_signing_out_ends_the_session_and_clears_the_cookie(stage: Stage) -> None:
    """The id is dead at once, this call goes on as anonymous, and the client is told."""
    browser = await stage.sign_in()
    old = browser.held

    async with stage.call(browser) as ctx:
        await (await ctx.session()).end()
        assert not ctx.caller.signed_in

    assert isinstance(browser.told, SessionEnded)
    assert await stage.who(Browser(old)) == ""


async def test_the_last_session_leaves_no_key(stage: Stage, store: Store) -> None:
    """When all have signed out, the store holds nothing."""
    browser = await stage.sign_in()

    async with stage.call(browser) as ctx:
        await (await ctx.session()).end()

    assert await keys(store) == []


async def test_the_others_of_a_user_can_be_ended(stage: Stage) -> None:
    """Every other device is signed out, this one stays, and so does everybody else."""
    here, there, bob = await stage.sign_in(), await stage.sign_in(), await stage.sign_in(BOB)

    async with stage.call(here) as ctx:
        await (await ctx.session()).end_others()

    assert [await stage.who(browser) for browser in (here, there, bob)] == ["alice", "", "bob"]


async def test_all_of_a_user_can_be_ended(stage: Stage) -> None:
    """Disabling a user ends every session at once and nobody else's."""
    first, second, bob = await stage.sign_in(), await stage.sign_in(), await stage.sign_in(BOB)

    await stage.end_all("alice")

    assert [await stage.who(browser) for browser in (first, second, bob)] == ["", "", "bob"]


async def test_the_twenty_first_session_ends_the_oldest(stage: Stage) -> None:
    """A user has 20 sessions at most."""
    browsers: list[Browser] = []
    for _ in range(21):
        browsers.append(await stage.sign_in())
        stage.clock.move(timedelta(seconds=1))

    assert [await stage.who(browser) for browser in browsers] == ["", *["alice"] * 20]


async def test_a_rotated_session_is_as_old_as_before(stage: Stage) -> None:
    """Changing its id neither counts as one more nor makes a session young."""
    browsers: list[Browser] = []
    for _ in range(20):
        browsers.append(await stage.sign_in())
        stage.clock.move(timedelta(seconds=1))
    async with stage.call(browsers[0]) as ctx:
        await (await ctx.session()).rotate()
    assert [await stage.who(browser) for browser in browsers] == ["alice"] * 20

    await stage.sign_in()

    assert [await stage.who(browser) for browser in browsers[:2]] == ["", "alice"]


async def test_dead_sessions_do_not_count(store: Store) -> None:
    """A session that ran out makes room; the oldest living one is not ended for it."""
    async with staged(store, per_user=2) as stage:
        await stage.sign_in()
        stage.clock.move(23 * HOUR)
        second = await stage.sign_in()
        stage.clock.move(2 * HOUR)
        third = await stage.sign_in()

        assert [await stage.who(browser) for browser in (second, third)] == ["alice", "alice"]


async def test_twenty_sign_ins_at_once_keep_the_bound(store: Store) -> None:
    """The bound holds when many devices sign in at the same moment."""
    async with staged(store, per_user=3) as stage:
        browsers = await asyncio.gather(*(stage.sign_in() for _ in range(20)))

        assert sorted([await stage.who(browser) for browser in browsers]) == [""] * 17 + ["alice"] * 3


async def test_a_call_made_within_a_call_sees_its_session(stage: Stage) -> None:
    """When an inner call has signed somebody in, the outer one finds that session and not the old cookie's."""
    outer = stage.context(Browser())
    inner = outer._inner("stage:look")  # pyright: ignore[reportPrivateUsage]  # what ctx.call() does first
    await (await inner.session()).start(ALICE)

    assert bare((await outer.session()).caller or ANONYMOUS) == ALICE
