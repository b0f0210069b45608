"""The ids of sessions: how they are made, what is never taken for one, and when they change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import pytest

from antiphon.core.caller import Caller
from antiphon.core.errors import NotSignedIn
from antiphon.core.session import SessionEnded
from antiphon.stores.base import Store
from tests.services.identity_stage import ALICE, BOB, Browser, Stage, bare, dump, staged, trips

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Sessions with their usual settings."""
    async with staged(store) as opened:
        yield opened


# Ids


async def test_an_id_is_256_random_bits_in_base64url(stage: Stage) -> None:
    """Two ids of one user share where to look and nothing else: 43 letters, which are 32 bytes."""
    first, second = (await stage.sign_in()).held, (await stage.sign_in()).held

    assert first[:24] == second[:24]
    assert len(first) == 24 + 43
    assert sum(a == b for a, b in zip(first[24:], second[24:], strict=True)) < 20


async def test_the_store_cannot_give_an_id_away(stage: Stage, store: Store) -> None:
    """The store holds the SHA-256 of an id, and neither the id nor its random part."""
    token = (await stage.sign_in()).held

    held = await dump(store)

    assert sha256(token.encode()).hexdigest().encode() in held
    assert token[24:].encode() not in held


async def test_the_id_shows_in_no_text(stage: Stage) -> None:
    """The fact that carries the id to the transport prints without it."""
    browser = await stage.sign_in()

    assert browser.held not in f"{browser.told} {browser.told!r}"


@pytest.mark.parametrize(
    "token", ["", "chosen", "a" * 66, "a" * 68, "a" * 10_000, "ä" * 67, "a" * 66 + "\n", "a b" * 22 + "c"]
)
async def test_an_id_that_cannot_be_ours_is_not_looked_up(stage: Stage, store: Store, token: str) -> None:
    """What has not the form of an id costs no trip, and its cookie is left alone: it may be another program's."""
    browser, before = Browser(token), await trips(store)

    assert await stage.who(browser) == ""
    assert (await trips(store), browser.told) == (before, None)


async def test_an_unknown_id_costs_one_read_and_the_cookie(stage: Stage, store: Store) -> None:
    """An id in the right form that names no session is anonymous, and the client is told to forget it."""
    browser, before = Browser("a" * 67), await trips(store)

    assert await stage.who(browser) == ""
    assert await trips(store) == before + 1
    assert isinstance(browser.told, SessionEnded)


async def test_a_chosen_id_is_never_adopted(stage: Stage) -> None:
    """Signing in with an id of one's own gives another one, and the chosen one stays dead."""
    browser = await stage.sign_in(browser=Browser("a" * 67))

    assert browser.token != "a" * 67
    assert await stage.who(Browser("a" * 67)) == ""


async def test_another_users_place_does_not_open_a_session(stage: Stage) -> None:
    """An id whose parts belong to two users names no session."""
    alice, bob = await stage.sign_in(ALICE), await stage.sign_in(BOB)

    assert await stage.who(Browser(bob.held[:24] + alice.held[24:])) == ""


async def test_a_bearer_token_wins_over_the_cookie(stage: Stage, store: Store) -> None:
    """With a token the cookie is not read; one that does not verify makes the caller anonymous."""
    token = (await stage.sign_in()).held
    before = await trips(store)

    async with stage.call(Browser(token, bearer="unknown")) as ctx:
        assert not (await ctx.identify()).signed_in
        assert (await ctx.session()).caller is None

    assert await trips(store) == before


# A new id


async def test_signing_in_again_ends_the_old_id(stage: Stage) -> None:
    """The id changes at sign-in, and the old one is dead at once."""
    browser = await stage.sign_in()
    old = browser.held

    await stage.sign_in(browser=browser)

    assert await stage.who(browser) == "alice"
    assert await stage.who(Browser(old)) == ""


async def test_signing_in_as_somebody_else_ends_the_old_session(stage: Stage) -> None:
    """Two users at one browser: the session of the first is gone when the second signs in."""
    browser = await stage.sign_in(ALICE)
    old = browser.held

    await stage.sign_in(BOB, browser)

    assert await stage.who(browser) == "bob"
    assert await stage.who(Browser(old)) == ""


async def test_rotating_keeps_the_session_and_changes_its_id(stage: Stage) -> None:
    """The same session under a new id: same caller, same beginning, same end; the old id is dead at once."""
    browser = await stage.sign_in()
    old = browser.held
    stage.clock.move(HOUR)

    async with stage.call(browser) as ctx:
        session = await ctx.session()
        before = (session.caller, session.created_at, session.expires_at)
        await session.rotate()
        assert (session.caller, session.created_at, session.expires_at) == before

    assert await stage.who(browser) == "alice"
    assert await stage.who(Browser(old)) == ""


async def test_rotating_can_change_the_rights(stage: Stage) -> None:
    """A change of role gives a new id with the new roles, in this call and in the next."""
    browser, promoted = await stage.sign_in(), Caller("user", "alice", "choir", frozenset({"admin", "editor"}))

    async with stage.call(browser) as ctx:
        await (await ctx.session()).rotate(promoted)
        assert bare(ctx.caller) == promoted

    async with stage.call(browser) as ctx:
        assert bare(await ctx.identify()) == promoted


async def test_rotating_does_not_change_the_user(stage: Stage) -> None:
    """Another user is signed in by starting a session, never by rotating one."""
    browser = await stage.sign_in(ALICE)

    async with stage.call(browser) as ctx:
        session = await ctx.session()
        with pytest.raises(ValueError, match=r"start\(\)"):
            await session.rotate(BOB)


async def test_a_session_that_has_ended_meanwhile_cannot_be_rotated(stage: Stage) -> None:
    """A session that was revoked while a call was running does not come back under a new id."""
    browser = await stage.sign_in()

    async with stage.call(browser) as ctx:
        session = await ctx.session()
        await stage.end_all("alice")
        with pytest.raises(NotSignedIn):
            await session.rotate()
        assert not ctx.caller.signed_in

    assert isinstance(browser.told, SessionEnded)


async def test_of_fifty_rotations_at_once_one_succeeds(stage: Stage) -> None:
    """An id is replaced once, however many calls try it at the same moment."""
    browser = await stage.sign_in()
    rivals = [await stage.context(Browser(browser.held)).session() for _ in range(50)]

    outcomes = await asyncio.gather(*(rival.rotate() for rival in rivals), return_exceptions=True)

    assert [outcome for outcome in outcomes if not isinstance(outcome, NotSignedIn)] == [None]


@pytest.mark.parametrize("next_user", [ALICE, BOB])
async def test_a_call_that_was_on_its_way_does_not_clear_the_new_cookie(stage: Stage, next_user: Caller) -> None:
    """A call with an id that was just replaced is anonymous, but does not tell the client to forget its cookie."""
    browser = await stage.sign_in()
    late = Browser(browser.held)

    await stage.sign_in(next_user, browser)

    assert (await stage.who(late), late.told) == ("", None)


async def test_a_replaced_id_is_forgotten_with_the_next_sign_in(stage: Stage) -> None:
    """A minute later nobody can be on the way any more, and the old id is like any unknown one."""
    browser = await stage.sign_in()
    late = Browser(browser.held)
    await stage.sign_in(browser=browser)
    stage.clock.move(timedelta(minutes=2))
    await stage.sign_in()

    await stage.who(late)

    assert isinstance(late.told, SessionEnded)
