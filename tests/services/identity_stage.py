"""Calls with an identity, as the tests of sessions and rules make them: an application, browsers, and a clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from antiphon.core import app as core
from antiphon.core.access import Rule, allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.log import Logger, Silent
from antiphon.core.module import Module
from antiphon.core.runtime import Runtime
from antiphon.core.service import Provider, service
from antiphon.core.session import Identifier, SessionEnded, SessionStarted
from antiphon.services.identity import identifier
from antiphon.services.revocations import revocations
from antiphon.services.sessions.service import Sessions, sessions, tickets
from antiphon.stores.base import Store
from antiphon.stores.relay import relay
from antiphon.testing.clock import StandingClock

ALICE = Caller("user", "alice", "choir", frozenset({"editor"}))
BOB = Caller("user", "bob")


@action("stage:look", allow(anyone))
async def look(ctx: Context) -> str:
    """Say who calls."""
    return (await ctx.identify()).id


def bare(caller: Caller) -> Caller:
    """Who it is and what they may do, without how they are known."""
    return Caller(caller.kind, caller.id, caller.tenant_id, caller.roles)


class Browser(Connection):
    """A client that keeps the session id it is told, and remembers what it was told last."""

    def __init__(self, token: str | None = None, *, bearer: str | None = None, key: str | None = None) -> None:
        super().__init__("direct")
        self.token = token
        self._key = key
        self.told: SessionStarted | SessionEnded | None = None
        self._bearer = bearer

    @property
    def session_token(self) -> str | None:
        return self.token

    @property
    def session_key(self) -> str | None:
        return self._key

    @property
    def bearer(self) -> str | None:
        return self._bearer

    @property
    def held(self) -> str:
        """The id it has; there must be one."""
        assert self.token is not None
        return self.token

    def take(self, ctx: Context) -> None:
        """Do what the facts of a call say, as with a cookie."""
        facts = [fact for fact in ctx.facts or () if isinstance(fact, SessionStarted | SessionEnded)]
        self.told = facts[-1] if facts else None
        if self.told is not None:
            self.token = self.told.token if isinstance(self.told, SessionStarted) else None


class Stage:
    """A running application with sessions in the store."""

    def __init__(self, runtime: Runtime, clock: StandingClock) -> None:
        self.runtime = runtime
        self.clock = clock
        self.sessions = runtime.require(Sessions, "the test")

    @asynccontextmanager
    async def call(self, browser: Browser) -> AsyncGenerator[Context]:
        """One call of this browser, from inside."""
        ctx = self.context(browser)
        yield ctx
        browser.take(ctx)

    def context(self, browser: Browser, caller: Caller | None = None) -> Context:
        """The inside of a call, without its end."""
        return self.runtime.context(look, browser, caller=caller)

    async def sign_in(self, caller: Caller = ALICE, browser: Browser | None = None) -> Browser:
        """A browser that has signed in."""
        browser = browser or Browser()
        async with self.call(browser) as ctx:
            await (await ctx.session()).start(caller)
        return browser

    async def sid(self, browser: Browser) -> str:
        """The name of the session of this browser."""
        async with self.call(browser) as ctx:
            return (await ctx.session()).sid

    async def who(self, browser: Browser) -> str:
        """The id of whoever this browser is signed in as, or an empty text."""
        async with self.call(browser) as ctx:
            return (await ctx.identify()).id

    async def end_all(self, user_id: str) -> None:
        """End every session of a user, as somebody else's call does."""
        await self.sessions.end_all(self.context(Browser()), user_id)

    async def asks(self, rule: Rule, caller: Caller | None) -> tuple[bool, str]:
        """What a rule says about a caller, and why."""
        verdict = await rule(self.context(Browser(), caller))
        return verdict.granted, verdict.reason


@service
async def silence() -> AsyncIterator[Logger]:
    """A log that nobody reads."""
    yield Silent()


class _App(core.App):
    catalogue: ClassVar[Sequence[Provider[Any]]] = (silence, sessions, tickets, identifier, relay, revocations)


@asynccontextmanager
async def staged(
    store: Store, needs: Iterable[type] = (), values: Iterable[object] = (), **settings: object
) -> AsyncGenerator[Stage]:
    """The application on this store, with these settings of sessions, and what else the test needs."""
    clock = StandingClock()
    module = Module(__name__, needs=[Sessions, Identifier, *needs])
    app = _App("stage", modules=[module], values=[store, *values], settings={"session": settings}, clock=clock)
    async with app.running(environ={"ANTIPHON_ENV": "test"}) as runtime:
        yield Stage(runtime, clock)


async def keys(store: Store) -> list[str]:
    """The names of everything in the store."""
    return sorted(name.decode() for name in await store.client.execute_command("KEYS", f"{store.prefix}:*"))


async def trips(store: Store) -> int:
    """The commands and scripts that the server has run for us so far."""
    counts = await store.client.execute_command("INFO", "commandstats")
    ours = ("hget", "hmget", "hset", "hdel", "hgetall", "evalsha", "eval", "unlink")
    # What a script runs is counted too; reading runs none.
    return sum(counts[f"cmdstat_{name}"]["calls"] for name in ours if f"cmdstat_{name}" in counts)


async def dump(store: Store) -> bytes:
    """Everything that the store holds of sessions, in one piece."""
    held = b""
    for key in await keys(store):
        fields: dict[bytes, bytes] = await store.client.execute_command("HGETALL", key)
        held += key.encode() + b"".join(name + value for name, value in fields.items())
    return held
