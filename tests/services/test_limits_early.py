"""Limits and session in the time of one trip: who it will probably be is charged while it is being found out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from antiphon.core import app as core
from antiphon.core.access import Verdict, allow
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import NotSignedIn
from antiphon.core.limits import limit
from antiphon.core.module import Module
from antiphon.core.runtime import Runtime
from antiphon.core.service import Provider, service
from antiphon.core.session import Identifier
from antiphon.services.limits.service import asker, limits
from antiphon.stores.base import Store
from antiphon.testing.waiting import wait_until
from tests.services.limits_stage import ADA, BEN, silence, states

ADAS, BENS = "{limits.t.choir}:user.ada:early:take:w3600", "{limits.t.choir}:user.ben:early:take:w3600"


class Browser(Connection):
    """A client with a session id, and perhaps a token."""

    def __init__(self, bearer: str | None = None) -> None:
        super().__init__("http", identifier="192.0.2.1")
        self._bearer = bearer

    @property
    def session_token(self) -> str | None:
        return "a session"

    @property
    def bearer(self) -> str | None:
        return self._bearer


class Reader(Identifier):
    """Says that it is `caller`, when `meanwhile` has happened."""

    def __init__(self) -> None:
        self.caller = ADA
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def identify(self, ctx: Context) -> Caller:
        if self.meanwhile is not None:
            await self.meanwhile()
        return self.caller


async def known(ctx: Context) -> Verdict:
    """Whoever is known."""
    return Verdict(granted=ctx.caller.signed_in)


@action("early:take", allow(known), limit(5, per="1h", by="user"), limit(None))
async def take(ctx: Context) -> int:
    """Take nothing."""
    return 1


@service
async def reader() -> AsyncIterator[Reader]:
    """Who is who."""
    yield Reader()


class Stage:
    """The application, called by one browser."""

    def __init__(self, runtime: Runtime, store: Store) -> None:
        self.runtime = runtime
        self.store = store
        self.reader = runtime.require(Reader, "the test")

    async def call(self, browser: Browser | None = None) -> int:
        """Call. Gives what remains of the caller's limit."""
        ctx = self.runtime.context(take, browser or Browser())
        await self.runtime.runner(take.name).run(ctx, lambda _: take.schema.from_python({}), None)
        return states(ctx)[0].remaining

    async def counted(self, key: str) -> int:
        """The calls that this key counts."""
        value = await self.store.client.execute_command("GET", self.store.key(key)) or b"0"
        return sum(int(word) for word in value.split()[1:])


class _App(core.App):
    catalogue: ClassVar[Sequence[Provider[Any]]] = (silence, asker, limits)


@asynccontextmanager
async def staged(store: Store) -> AsyncGenerator[Stage]:
    """The application on this store."""
    settings = {"limits": {"store_time": "5s"}}
    app = _App("early", modules=[Module(__name__)], values=[store], settings=settings)
    async with app.running(environ={"ANTIPHON_ENV": "test"}) as runtime:
        yield Stage(runtime, store)


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """A browser that has called once."""
    async with staged(store) as opened:
        assert await opened.call() == 4
        yield opened


async def test_limits_are_asked_while_the_session_is_read(stage: Stage) -> None:
    """From the second call of a session on its limits are decided before anybody knows who calls."""

    async def meanwhile() -> None:
        async def charged() -> bool:
            return await stage.counted(ADAS) == 2

        await wait_until(charged, "the limits were not asked before the session was read")

    stage.reader.meanwhile = meanwhile

    assert await stage.call() == 3
    assert await stage.counted(ADAS) == 2


async def test_a_wrong_guess_is_taken_back(stage: Stage) -> None:
    """When the session turns out to be somebody else's, they are charged, and who was expected is not."""
    stage.reader.caller = BEN

    assert await stage.call() == 4

    await _settles(stage, ADAS, 1)
    assert await stage.counted(BENS) == 1


async def test_a_session_that_has_ended_charges_nobody(stage: Stage) -> None:
    """A call that its rule refuses is charged nothing, and the next one asks nothing before it is known."""
    stage.reader.caller = ANONYMOUS
    for _ in range(3):
        with pytest.raises(NotSignedIn):
            await stage.call()

    await _settles(stage, ADAS, 1)


async def test_a_call_that_fails_while_it_is_asked_who_it_is_charges_nobody(stage: Stage) -> None:
    """When the session cannot be read, what was charged meanwhile is taken back."""

    async def broken() -> None:
        raise NotSignedIn

    stage.reader.meanwhile = broken
    with pytest.raises(NotSignedIn):
        await stage.call()

    await _settles(stage, ADAS, 1)


async def test_a_token_beside_the_session_is_nobody_remembered(stage: Stage) -> None:
    """The token says who calls, so nothing is guessed from the cookie."""
    stage.reader.caller = BEN

    await stage.call(Browser("a token"))

    assert await stage.counted(ADAS) == 1


async def test_over_the_limit_is_over_the_limit(stage: Stage) -> None:
    """However the limits are asked, five calls are five."""
    assert [await stage.call() for _ in range(4)] == [3, 2, 1, 0]

    with pytest.raises(Exception, match="Too many calls"):
        await stage.call()
    assert await stage.counted(ADAS) == 5


async def _settles(stage: Stage, key: str, count: int) -> None:
    async def settled() -> bool:
        return await stage.counted(key) == count

    await wait_until(settled, f"{key} never counted {count}")
