"""What a call needs from the store before it runs, in one trip: who calls, what has ended since, and every limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from antiphon.core import app as core
from antiphon.core.access import allow, anyone
from antiphon.core.action import AnyAction, action
from antiphon.core.caller import Caller
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn, TooManyCalls
from antiphon.core.limits import limit
from antiphon.core.module import Module
from antiphon.core.runtime import Runtime
from antiphon.core.service import Provider
from antiphon.core.session import Identifier
from antiphon.services.identity import identifier
from antiphon.services.limits.service import asker, limits
from antiphon.services.rules import signed_in
from antiphon.services.sessions.service import Sessions, sessions
from antiphon.stores.base import Store
from tests.services.identity_stage import Browser
from tests.services.limits_stage import silence
from tests.services.token_stage import TokenStage, token_stage
from tests.stores.store_stage import arrivals, trips_since

ADA = Caller("user", "ada", "choir", frozenset({"editor"}), sid="sid-of-ada", via="token", roles_version=3)


@action("trip:look", allow(signed_in), limit(1_000, per="1h"))
async def look(ctx: Context) -> str:
    """Say who calls, under the limits that every action has and one of its own."""
    return ctx.caller.id


@action("trip:share", allow(signed_in), limit(1_000, per="1h", by="everyone"))
async def share(ctx: Context) -> str:
    """Say who calls, under a limit that all callers share."""
    return ctx.caller.id


@action("trip:greet", allow(anyone), limit(1_000, per="1h", by="user"))
async def greet(ctx: Context) -> str:
    """Say who calls, if anybody does."""
    return ctx.caller.id


@action("trip:pass", allow(anyone))
async def pass_by(ctx: Context) -> str:
    """Ask nobody who they are."""
    return ctx.caller.id


@action("trip:once", allow(signed_in), limit(1, per="1h"))
async def once(ctx: Context) -> str:
    """Say who calls, once an hour."""
    return ctx.caller.id


class Stage:
    """An application with sessions, tokens and limits, and a count of its trips to the store."""

    def __init__(self, runtime: Runtime, store: Store, tokens: TokenStage) -> None:
        self.runtime = runtime
        self.store = store
        self.tokens = tokens

    async def call(self, browser: Browser, of: AnyAction = look) -> str:
        """One call from outside. Gives who it was."""
        ctx = self.runtime.context(of, browser)
        return await self.runtime.runner(of.name).run(ctx, lambda _: of.schema.from_python({}), None)

    async def trips(self, *browsers: Browser, of: AnyAction = look) -> int:
        """The trips that calls at the same moment take."""
        before = await arrivals(self.store)
        await asyncio.gather(*(self.call(browser, of) for browser in browsers))
        return await trips_since(self.store, before)

    async def sign_in(self, name: str = "ada") -> Browser:
        """A browser with a session, whose cookie this process has not seen yet."""
        browser = Browser()
        ctx = self.runtime.context(pass_by, browser)
        await (await ctx.session()).start(Caller("user", name, "choir"))
        browser.take(ctx)
        return browser

    async def with_ticket(self) -> Browser:
        """A socket that was opened with a ticket."""
        ctx = self.runtime.context(pass_by, await self.sign_in())
        return Browser(key=(await ctx.session()).key)


class _App(core.App):
    catalogue: ClassVar[Sequence[Provider[Any]]] = (silence, sessions, identifier, asker, limits)


@asynccontextmanager
async def staged(store: Store) -> AsyncGenerator[Stage]:
    """The application on this store; it waits for every decision, however busy the machine is."""
    async with token_stage(store) as tokens:
        module = Module(__name__, needs=[Sessions, Identifier])
        values = [store, tokens.tokens]
        settings = {"limits": {"store_time": "5s"}}
        app = _App("trips", modules=[module], values=values, settings=settings, clock=tokens.clock)
        async with app.running(environ={"ANTIPHON_ENV": "test"}) as runtime:
            opened = Stage(runtime, store, tokens)
            # So that the server knows the scripts, and a connection is open.
            await opened.call(await opened.sign_in("warm"), share)
            await asyncio.gather(*(store.client.ping() for _ in range(4)))
            yield opened


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """The application."""
    async with staged(store) as opened:
        yield opened


async def shown(stage: Stage, what: str) -> Browser:
    """A client that shows this."""
    match what:
        case "cookie":
            return await stage.sign_in()
        case "ticket":
            return await stage.with_ticket()
        case _:
            return Browser(bearer=await stage.tokens.token(ADA))


@pytest.mark.parametrize("what", ["cookie", "ticket", "token"])
async def test_a_call_of_somebody_known_takes_one_trip(stage: Stage, what: str) -> None:
    """From the second call of a credential on: who calls, whether that has ended, and every limit."""
    browser = await shown(stage, what)
    await stage.call(browser)

    assert await stage.trips(browser) == 1


@pytest.mark.parametrize("what", ["cookie", "ticket", "token"])
async def test_the_first_call_of_a_credential_takes_two(stage: Stage, what: str) -> None:
    """Whose limits to ask for is known once the store has said who calls; that is remembered."""
    assert await stage.trips(await shown(stage, what)) == 2


@pytest.mark.parametrize("what", ["cookie", "ticket", "token"])
async def test_an_open_action_that_counts_users_takes_one_trip(stage: Stage, what: str) -> None:
    """Without a rule it is the limit that asks who calls, on the same trip."""
    browser = await shown(stage, what)
    await stage.call(browser, greet)

    assert await stage.trips(browser, of=greet) == 1


async def test_a_limit_that_all_share_takes_no_trip_of_its_own(stage: Stage) -> None:
    """The limit of everyone is decided with the caller's own."""
    browser = await stage.sign_in()
    await stage.call(browser, share)

    assert await stage.trips(browser, of=share) == 1


async def test_an_anonymous_call_takes_one_trip(stage: Stage) -> None:
    """Nobody is looked up: the limits are all there is to ask."""
    assert await stage.trips(Browser(), of=pass_by) == 1


async def test_calls_of_one_moment_share_their_trip(stage: Stage) -> None:
    """Twenty callers who arrive together need far fewer trips than twenty."""
    crowd = [await stage.sign_in(f"user-{n}") for n in range(20)]
    for browser in crowd:
        await stage.call(browser)

    assert await stage.trips(*crowd) < len(crowd) / 2


async def test_a_call_over_its_limit_takes_one_trip(stage: Stage) -> None:
    """Refusing costs no more than letting pass."""
    browser = await stage.sign_in()
    await stage.call(browser, once)
    before = await arrivals(stage.store)

    with pytest.raises(TooManyCalls):
        await stage.call(browser, once)

    assert await trips_since(stage.store, before) == 1


async def test_what_has_ended_is_seen_on_that_trip(stage: Stage) -> None:
    """Being remembered lets nobody in: the store's word on session and token is awaited before the call runs."""
    cookie, token = await stage.sign_in(), Browser(bearer=await stage.tokens.token(ADA))
    for browser in (cookie, token):
        assert await stage.call(browser) == "ada"
    ctx = stage.runtime.context(pass_by, Browser())
    await stage.runtime.require(Sessions, "the test").end_all(ctx, "ada")
    await stage.tokens.ends.mark("ada", [ADA.sid])

    for browser in (cookie, token):
        with pytest.raises(NotSignedIn):
            await stage.call(browser)
