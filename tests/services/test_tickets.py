"""Tickets: a session shown once, in an address, by a client that can send no cookie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256

import pytest

from antiphon.core.caller import SYSTEM
from antiphon.core.errors import NotSignedIn, SetupError, Unavailable
from antiphon.core.log import Silent
from antiphon.services.sessions.tickets import Ticket, Tickets
from antiphon.stores.base import Store
from antiphon.testing.engines import ValkeyServer
from tests.services.identity_stage import Browser, Stage, keys, staged


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Sessions and tickets with their usual settings."""
    async with staged(store, [Tickets]) as opened:
        yield opened


def tickets_of(stage: Stage) -> Tickets:
    """The tickets of the application."""
    return stage.runtime.require(Tickets, "the test")


async def issue(stage: Stage, browser: Browser) -> Ticket:
    """A ticket for the session of this browser."""
    async with stage.call(browser) as ctx:
        return await tickets_of(stage).issue(ctx)


async def test_a_ticket_opens_a_socket_in_its_session(stage: Stage) -> None:
    """What it is taken for finds the session, and whoever signed in."""
    browser = await stage.sign_in()
    ticket = await issue(stage, browser)

    key = await tickets_of(stage).take(ticket.ticket)

    socket = Browser(key=key)
    assert await stage.who(socket) == "alice"
    assert await stage.sid(socket) == await stage.sid(browser)


async def test_a_ticket_is_256_random_bits_in_base64url(stage: Stage) -> None:
    """43 letters, of which two tickets of one session share nothing."""
    browser = await stage.sign_in()

    first, second = (await issue(stage, browser)).ticket, (await issue(stage, browser)).ticket

    assert len(first) == len(second) == 43
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 15


async def test_a_ticket_is_used_once(stage: Stage) -> None:
    """The second time it is nothing."""
    ticket = await issue(stage, await stage.sign_in())

    taken = [await tickets_of(stage).take(ticket.ticket) for _ in range(2)]

    assert [key is not None for key in taken] == [True, False]


async def test_of_fifty_who_show_one_ticket_one_is_let_in(stage: Stage) -> None:
    """Taking is one step, however many try at the same moment."""
    ticket = await issue(stage, await stage.sign_in())

    taken = await asyncio.gather(*(tickets_of(stage).take(ticket.ticket) for _ in range(50)))

    assert sum(key is not None for key in taken) == 1


async def test_a_ticket_is_good_for_half_a_minute(stage: Stage) -> None:
    """It says when it ends, and then is nothing."""
    browser = await stage.sign_in()
    early, late = await issue(stage, browser), await issue(stage, browser)
    assert early.expires_at == stage.clock.now() + timedelta(seconds=30)

    stage.clock.move(timedelta(seconds=29))
    in_time = await tickets_of(stage).take(early.ticket)
    stage.clock.move(timedelta(seconds=1))
    too_late = await tickets_of(stage).take(late.ticket)

    assert in_time is not None
    assert too_late is None


async def test_a_ticket_that_nobody_shows_leaves_the_store(store: Store) -> None:
    """The store forgets it by itself, by its own clock."""
    async with staged(store, [Tickets], ticket_time="30s") as stage:
        await issue(stage, await stage.sign_in())

    left = [await store.client.pttl(key) for key in await keys(store) if "{ticket" in key]
    assert len(left) == 1
    assert 0 < left[0] <= 30_000


async def test_a_ticket_ends_with_its_session(stage: Stage) -> None:
    """A session that was left, or has a new id since, lets nobody in."""
    browsers = [await stage.sign_in(), await stage.sign_in()]
    shown = [await issue(stage, browser) for browser in browsers]
    async with stage.call(browsers[0]) as ctx:
        await (await ctx.session()).end()
    async with stage.call(browsers[1]) as ctx:
        await (await ctx.session()).rotate()

    sockets = [Browser(key=await tickets_of(stage).take(ticket.ticket)) for ticket in shown]

    assert [await stage.who(socket) for socket in sockets] == ["", ""]


async def test_nobody_makes_a_ticket_without_a_session(stage: Stage) -> None:
    """Neither a stranger, nor the system, which has none."""
    async with stage.call(Browser()) as ctx:
        with pytest.raises(NotSignedIn):
            await tickets_of(stage).issue(ctx)
    with pytest.raises(NotSignedIn):
        await tickets_of(stage).issue(stage.context(Browser(), SYSTEM))


@pytest.mark.parametrize("text", ["", "x", "a" * 42, "a" * 44, "a" * 43 + "\n", "ä" * 43, "a" * 42 + "=", "a" * 43])
async def test_what_is_no_ticket_lets_nobody_in(stage: Stage, text: str) -> None:
    """Whatever stands there."""
    assert await tickets_of(stage).take(text) is None


async def test_a_session_id_is_no_ticket(stage: Stage) -> None:
    """Long-lived secrets have no place in an address."""
    browser = await stage.sign_in()

    assert await tickets_of(stage).take(browser.held) is None
    assert await tickets_of(stage).take(browser.held[-43:]) is None


async def test_the_store_cannot_give_a_ticket_away(stage: Stage, store: Store) -> None:
    """The store holds its SHA-256 and where the session is: neither the ticket nor the session's id."""
    browser = await stage.sign_in()
    ticket = (await issue(stage, browser)).ticket

    names = [name for name in await keys(store) if "{ticket" in name]
    held = f"{names} {await store.client.get(names[0])}"

    assert sha256(ticket.encode()).hexdigest() in names[0]
    assert ticket not in held
    assert browser.held not in held
    assert browser.held[24:] not in held


async def test_a_ticket_shows_in_no_text(stage: Stage) -> None:
    """It prints without itself, so that no log line or traceback holds it."""
    ticket = await issue(stage, await stage.sign_in())

    assert ticket.ticket not in f"{ticket} {ticket!r} {[ticket]}"


async def test_without_the_store_nobody_is_let_in() -> None:
    """Making and taking a ticket are Unavailable, never a guess."""
    async with ValkeyServer(persistent=False) as server:
        store = Store(server.url, prefix="t", log=Silent(), command_time=timedelta(seconds=0.5))
        async with staged(store, [Tickets]) as stage:
            browser = await stage.sign_in()
            ticket = await issue(stage, browser)
            async with stage.call(browser) as ctx:
                await ctx.session()
                await server.kill()

                with pytest.raises(Unavailable):
                    await tickets_of(stage).issue(ctx)
            with pytest.raises(Unavailable):
                await tickets_of(stage).take(ticket.ticket)
        await store.close()


async def test_a_ticket_needs_some_time(store: Store) -> None:
    """A time of nothing is refused at the start, with the setting's name."""
    with pytest.raises(SetupError, match="ticket_time"):
        async with staged(store, [Tickets], ticket_time="0s"):
            pass
