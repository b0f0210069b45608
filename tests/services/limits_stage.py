"""Calls under limits, as the tests of limits make them: an application on a store, callers and addresses."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from antiphon.core import app as core
from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.clock import Clock, SystemClock
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import CallError
from antiphon.core.limits import DefaultLimit, Limit, LimitState
from antiphon.core.log import Logger, Silent
from antiphon.core.module import Module
from antiphon.core.runtime import Runtime
from antiphon.core.service import Provider, service
from antiphon.services.limits.asking import Asker
from antiphon.services.limits.limits import Limits
from antiphon.services.limits.lockout import Lockout
from antiphon.services.limits.service import asker, limits, lockout
from antiphon.stores.base import Store

ADDRESS = "192.0.2.1"
ADA = Caller("user", "ada", "choir")
BEN = Caller("user", "ben", "choir")
EVE = Caller("user", "eve", "other")


@action("stage:look", allow(anyone))
async def look(ctx: Context) -> None:
    """Do nothing."""


class Stage:
    """A running application with limits."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.limits = runtime.require(Limits, "the test")
        self.lockout = runtime.require(Lockout, "the test")

    def context(self, caller: Caller = ANONYMOUS, address: str = ADDRESS) -> Context:
        """The inside of a call."""
        return self.runtime.context(look, Connection("direct", identifier=address), caller=caller)

    async def charge(
        self, *given: Limit | DefaultLimit, caller: Caller = ANONYMOUS, address: str = ADDRESS, cost: int = 1
    ) -> list[LimitState]:
        """Charge a call under these limits. Gives what the caller is told; raises what refuses it."""
        ctx = self.context(caller, address)
        await self.limits.charge(ctx, *given, name="stage", cost=cost)
        return states(ctx)

    async def passes(self, *given: Limit | DefaultLimit, caller: Caller = ANONYMOUS, address: str = ADDRESS) -> bool:
        """Whether one more call has room, and it is charged then."""
        try:
            await self.charge(*given, caller=caller, address=address)
        except CallError:
            return False
        return True

    @property
    def asks(self) -> bool:
        """Whether the next call asks the store."""
        return not self.runtime.require(Asker, "the test").alone

    async def count(self, *given: Limit | DefaultLimit, caller: Caller = ANONYMOUS, address: str = ADDRESS) -> int:
        """How many calls have room, one after the other; fifty at most."""
        for passed in range(50):
            if not await self.passes(*given, caller=caller, address=address):
                return passed
        return 50


def states(ctx: Context) -> list[LimitState]:
    """What a call was told of limits."""
    return [fact for fact in ctx.facts or () if isinstance(fact, LimitState)]


@service
async def silence() -> AsyncIterator[Logger]:
    """A log that nobody reads."""
    yield Silent()


class _App(core.App):
    catalogue: ClassVar[Sequence[Provider[Any]]] = (silence, asker, limits, lockout)


@asynccontextmanager
async def staged(store: Store, clock: Clock | None = None, **settings: object) -> AsyncGenerator[Stage]:
    """The application on this store, with these settings of limits."""
    module = Module(__name__, needs=[Limits, Lockout])
    app = _App("stage", modules=[module], values=[store], settings={"limits": settings}, clock=clock or SystemClock())
    async with app.running(environ={"ANTIPHON_ENV": "test"}) as runtime:
        yield Stage(runtime)


async def keys(store: Store) -> list[str]:
    """The names of everything in the store, without its prefix."""
    names = await store.client.execute_command("KEYS", f"{store.prefix}:*")
    return sorted(name.decode()[len(store.prefix) + 1 :] for name in names)


async def lasting(store: Store) -> list[str]:
    """The names of keys that have no lifetime."""
    return [name for name in await keys(store) if await store.client.pttl(store.key(name)) == -1]
