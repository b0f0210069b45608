"""What ends a session is told to every node, by the name of the session; and what a socket needs to stay in one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import NamedTuple

import pytest

from antiphon.application import App
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.errors import NotSignedIn, Unavailable
from antiphon.core.log import Silent
from antiphon.core.module import Module
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.session import Identifier, SessionEnded, SessionStarted
from antiphon.services.sessions.service import Sessions
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.waiting import wait_until
from tests.services.identity_stage import ALICE, BOB, Browser, Stage, bare, dump, staged

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Nodes(NamedTuple):
    """One node where calls are made, and what another one is told."""

    stage: Stage
    told: list[Revoked]

    async def hears(self, *revoked: Revoked) -> None:
        """Wait until the other node has been told exactly this."""
        await wait_until(lambda: self.told == [*revoked], f"the other node was never told {revoked}")


@pytest.fixture
async def nodes(store: Store) -> AsyncIterator[Nodes]:
    """Two nodes on one store, the second one listening."""
    told: list[Revoked] = []
    async with staged(store, [Revocations]) as here, staged(store, [Revocations]) as there:
        told_by = here.runtime.require(Revocations, "the test")
        there.runtime.require(Revocations, "the test").subscribe(told.append)

        async def listens() -> bool:
            await told_by.publish(Revoked("rights", "nobody"))
            return bool(told)

        await wait_until(listens, "the other node never listened")
        await told_by.publish(Revoked("rights", "the last"))
        await wait_until(lambda: told[-1].id == "the last", "the other node did not listen on")
        told.clear()
        yield Nodes(here, told)


# What is told


async def test_signing_out_is_told_to_every_node(nodes: Nodes) -> None:
    """By the session's name."""
    browser = await nodes.stage.sign_in()
    sid = await nodes.stage.sid(browser)

    async with nodes.stage.call(browser) as ctx:
        await (await ctx.session()).end()

    await nodes.hears(Revoked("session", sid))


async def test_the_end_of_the_others_is_told_for_each(nodes: Nodes) -> None:
    """A change of password names every other session, and not the one that goes on."""
    here, *others = [await nodes.stage.sign_in() for _ in range(4)]
    await nodes.stage.sign_in(BOB)
    sids = {await nodes.stage.sid(other) for other in others}

    async with nodes.stage.call(here) as ctx:
        await (await ctx.session()).end_others()

    await wait_until(lambda: len(nodes.told) == 3, "not every end was told")
    assert {(revoked.what, revoked.id) for revoked in nodes.told} == {("session", sid) for sid in sids}


async def test_the_end_of_all_is_told_once(nodes: Nodes) -> None:
    """A user who is disabled, or has other rights, is named; however many sessions there were."""
    await nodes.stage.sign_in()
    await nodes.stage.sign_in()

    await nodes.stage.end_all("alice")

    await nodes.hears(Revoked("user", "alice"))


async def test_the_oldest_session_that_makes_room_is_told(nodes: Nodes) -> None:
    """The 21st sign-in ends the first session, on every node."""
    first = await nodes.stage.sign_in()
    sid = await nodes.stage.sid(first)
    for _ in range(20):
        nodes.stage.clock.move(timedelta(seconds=1))
        await nodes.stage.sign_in()

    await nodes.hears(Revoked("session", sid))


async def test_a_new_id_is_told_and_ends_nothing(nodes: Nodes) -> None:
    """Who came with the old id has to come back with the new one: the session has moved, and keeps its name."""
    browser = await nodes.stage.sign_in()
    sid = await nodes.stage.sid(browser)

    async with nodes.stage.call(browser) as ctx:
        await (await ctx.session()).rotate()

    await nodes.hears(Revoked("moved", sid))
    assert await nodes.stage.sid(browser) == sid


@pytest.mark.parametrize("caller", [ALICE, BOB])
async def test_signing_in_anew_is_told_to_those_of_the_old_session(nodes: Nodes, caller: Caller) -> None:
    """The client has another session now, under another name; what it opened in the old one has to come back."""
    browser = await nodes.stage.sign_in(ALICE)
    old = await nodes.stage.sid(browser)

    await nodes.stage.sign_in(caller, browser)

    await nodes.hears(Revoked("moved", old))
    assert await nodes.stage.sid(browser) != old


async def test_what_changes_nothing_is_not_told(nodes: Nodes) -> None:
    """Neither a first sign-in, nor a call, nor a sign-out of nobody."""
    browser = await nodes.stage.sign_in()
    await nodes.stage.who(browser)
    async with nodes.stage.call(Browser()) as ctx:
        await (await ctx.session()).end()
    await nodes.stage.end_all("the last")

    await nodes.hears(Revoked("user", "the last"))


async def test_the_call_itself_knows_before_anybody_else(nodes: Nodes) -> None:
    """When this node is told, the facts of the call say it already: its own connection answers before it closes."""
    browser, seen = await nodes.stage.sign_in(), list[object]()
    async with nodes.stage.call(browser) as ctx:
        stop = nodes.stage.runtime.require(Revocations, "the test").subscribe(
            lambda _: seen.append((ctx.facts or [])[-1])
        )
        session = await ctx.session()

        await session.rotate()
        await session.end()

        stop()
    assert [type(fact) for fact in seen] == [SessionStarted, SessionEnded]


async def test_when_it_is_told_the_session_is_dead(nodes: Nodes) -> None:
    """Nobody who hears of it can still use the old id."""
    browser = await nodes.stage.sign_in()
    old = Browser(browser.held)
    async with nodes.stage.call(browser) as ctx:
        await (await ctx.session()).end()
    await wait_until(lambda: bool(nodes.told), "the end was never told")

    assert await nodes.stage.who(old) == ""


async def test_what_the_store_did_not_take_is_not_told() -> None:
    """Without the store a session cannot be ended: Unavailable, and nobody is told that it was."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix="t", log=Silent(), command_time=timedelta(seconds=0.5))
        told: list[Revoked] = []
        async with staged(store, [Revocations]) as stage:
            browser = await stage.sign_in()
            stage.runtime.require(Revocations, "the test").subscribe(told.append)
            async with stage.call(browser) as ctx:
                session = await ctx.session()
                await server.kill()

                with pytest.raises(Unavailable):
                    await session.end()
                with pytest.raises(Unavailable):
                    await stage.end_all("alice")

            assert [revoked for revoked in told if revoked.what != "unknown"] == []
        await store.close()


async def test_a_call_that_is_cancelled_has_told_all_the_same() -> None:
    """Whoever signs out and leaves at once has signed out everywhere."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix="t", log=Silent(), command_time=timedelta(seconds=5))
        told: list[Revoked] = []
        async with staged(store, [Revocations]) as stage:
            browser = await stage.sign_in()
            sid = await stage.sid(browser)
            stage.runtime.require(Revocations, "the test").subscribe(told.append)
            session = await stage.context(Browser(browser.held)).session()
            server.pause()
            leaving = asyncio.create_task(session.end())
            await asyncio.sleep(0)
            leaving.cancel()
            server.resume()

            with pytest.raises(asyncio.CancelledError):
                await leaving

            assert told == [Revoked("session", sid)]
            assert await stage.who(browser) == ""
        await store.close()


def test_sessions_alone_open_no_relay() -> None:
    """An application without channels and sockets has nobody to tell: its sessions work without."""
    app = App("alone", modules=[Module("tests.services.identity_stage", needs=[Sessions, Identifier])])

    opened = [step.service.gives for step in app.plan(app.gathered()).steps]

    assert Relay not in opened


# The name


async def test_the_name_of_a_session_says_nothing_of_its_id(stage: Stage) -> None:
    """It is 128 bits of its own: no part of the id, of its hash or of another name."""
    first, second = await stage.sign_in(), await stage.sign_in()

    sids = [await stage.sid(first), await stage.sid(second)]

    assert len({*sids}) == 2
    assert all(len(sid) == 22 and sid not in first.held + second.held for sid in sids)


async def test_the_fact_of_a_sign_in_names_the_session(stage: Stage) -> None:
    """A socket on which somebody signs in learns which session it is in."""
    browser = await stage.sign_in()

    assert isinstance(browser.told, SessionStarted)
    assert browser.told.sid == await stage.sid(browser)


async def test_without_a_session_there_is_no_name_and_no_key(stage: Stage) -> None:
    """Both need a session, as its times do."""
    async with stage.call(Browser()) as ctx:
        session = await ctx.session()

        with pytest.raises(NotSignedIn):
            _ = session.sid
        with pytest.raises(NotSignedIn):
            _ = session.key


# The key


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Sessions with their usual settings."""
    async with staged(store) as opened:
        yield opened


async def key_of(stage: Stage, browser: Browser) -> str:
    """The key of the session of this browser."""
    async with stage.call(browser) as ctx:
        return (await ctx.session()).key


async def test_a_key_finds_the_session(stage: Stage) -> None:
    """A connection that was given the key makes calls in that session, and moves its idle life on."""
    browser = await stage.sign_in()
    socket = Browser(key=await key_of(stage, browser))
    stage.clock.move(23 * HOUR)

    assert await stage.who(socket) == "alice"
    assert await stage.sid(socket) == await stage.sid(browser)
    stage.clock.move(23 * HOUR)
    assert await stage.who(browser) == "alice"


async def test_a_key_ends_with_its_session(stage: Stage) -> None:
    """After a sign-out it finds nobody, and after a new id nobody either."""
    first, second = await stage.sign_in(), await stage.sign_in()
    sockets = [Browser(key=await key_of(stage, browser)) for browser in (first, second)]

    async with stage.call(first) as ctx:
        await (await ctx.session()).end()
    async with stage.call(second) as ctx:
        await (await ctx.session()).rotate()

    assert [await stage.who(socket) for socket in sockets] == ["", ""]


async def test_a_key_signs_out(stage: Stage) -> None:
    """What a connection with a key does to its session holds for every other one."""
    browser = await stage.sign_in()

    async with stage.call(Browser(key=await key_of(stage, browser))) as ctx:
        await (await ctx.session()).end()

    assert await stage.who(browser) == ""


async def test_a_key_is_no_session_id(stage: Stage) -> None:
    """No client can come with it: neither with the key nor with a part of it."""
    key = await key_of(stage, await stage.sign_in())

    assert [await stage.who(Browser(text)) for text in (key, key[:67], key[-67:])] == ["", "", ""]


@pytest.mark.parametrize("key", ["", "x", "a" * 24 + "." + "0" * 63, "a" * 24 + "." + "0" * 64 + "\n"])
async def test_a_key_that_is_none_finds_nobody(stage: Stage, key: str) -> None:
    """What is not written as a key is not looked for."""
    assert await stage.who(Browser(key=key)) == ""


# The server asks


async def test_what_the_server_asks_by_itself_keeps_nobody_signed_in(stage: Stage, store: Store) -> None:
    """A door that is asked again reads the session, and does not move its idle life on."""
    browser = await stage.sign_in()
    before = await dump(store)
    door = Browser(browser.held)
    door.by_itself = True
    stage.clock.move(23 * HOUR)

    async with stage.call(door) as ctx:
        session = await ctx.session()
        assert (bare(session.caller or ANONYMOUS), session.idle_at) == (ALICE, ctx.now + HOUR)
    stage.clock.move(HOUR)

    assert await dump(store) == before
    assert await stage.who(door) == ""
