"""Calls under keys, as the tests of idempotency make them: an application on a store, callers and effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from antiphon.core import app as core
from antiphon.core.access import allow, anyone
from antiphon.core.action import Action, action
from antiphon.core.caller import ANONYMOUS, Caller
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import Conflict
from antiphon.core.idempotency import Attempt, Idempotency, Replay, Replayed
from antiphon.core.log import Logger, Silent
from antiphon.core.module import Module
from antiphon.core.runtime import Runtime
from antiphon.core.service import Provider, service
from antiphon.services.idempotency.service import idempotency
from antiphon.stores.base import Store

ADDRESS = "192.0.2.1"
ADA = Caller("user", "ada", "choir")
BEN = Caller("user", "ben", "choir")


class Sold(Conflict):
    """An error of the application's own, which callers may tell apart."""

    type = "SOLD"


@service
async def silence() -> AsyncIterator[Logger]:
    """A log that nobody reads."""
    yield Silent()


class Counter:
    """What was done, by all applications of a test."""

    def __init__(self) -> None:
        self.count = 0


@action("stage:count", allow(anyone))
async def count(ctx: Context, text: str = "a", *, sold: bool = False) -> str:
    """Do something, and say how often it was done."""
    counter = ctx.get(Counter)
    counter.count += 1
    # Others have their turn while it is being done.
    await asyncio.sleep(0)
    if sold:
        raise Sold("It is sold.")
    return f"{text} {counter.count}"


@action("stage:other", allow(anyone))
async def other(ctx: Context, text: str = "a") -> str:
    """Do something else."""
    return text


class _App(core.App):
    catalogue: ClassVar[Sequence[Provider[Any]]] = (silence, idempotency)


class Stage:
    """A running application with keys."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @property
    def count(self) -> int:
        """How often something was done."""
        return self.runtime.require(Counter, "the test").count

    def context(self, key: str, caller: Caller = ANONYMOUS, address: str = ADDRESS) -> Context:
        """The inside of a call."""
        ctx = self.runtime.context(count, Connection("direct", identifier=address), caller=caller)
        ctx.client_key = key
        return ctx

    async def call(self, key: str, caller: Caller = ANONYMOUS, address: str = ADDRESS, **inputs: object) -> Any:
        """Count, under a key."""
        return await self.run(self.context(key, caller, address), count, **inputs)

    async def run(self, ctx: Context, what: Action[Any, Any], **inputs: object) -> Any:
        """Run a call from outside in this context."""
        runner = self.runtime.runner(what.name)
        return await runner.run(ctx, what.schema.from_python, inputs)

    async def begin(self, key: str, seconds: float) -> tuple[Context, Attempt]:
        """Begin a call that has so long, and is not ended by anybody: what a process that died has left."""
        ctx = self.context(key)
        ctx.limit_time(seconds)
        begun = await self.runtime.require(Idempotency, "the test").begin(ctx, count, count.schema.from_python({}))
        assert not isinstance(begun, Replay)
        return ctx, begun


def replayed(ctx: Context) -> bool:
    """Whether the call was told to be a repeat."""
    return ctx.told(Replayed) is not None


@asynccontextmanager
async def staged(store: Store, counter: Counter | None = None, **settings: object) -> AsyncGenerator[Stage]:
    """The application on this store, with these settings of keys."""
    app = _App(
        "stage",
        modules=[Module(__name__)],
        values=[store, counter or Counter()],
        settings={"idempotency": settings},
    )
    async with app.running(environ={"ANTIPHON_ENV": "test"}) as runtime:
        yield Stage(runtime)


async def keys(store: Store) -> list[str]:
    """The names of everything in the store, without its prefix."""
    names = await store.client.execute_command("KEYS", f"{store.prefix}:*")
    return sorted(name.decode()[len(store.prefix) + 1 :] for name in names)


async def everything(store: Store) -> bytes:
    """The names and contents of everything in the store."""
    parts: list[bytes] = []
    for name in await keys(store):
        parts.append(name.encode())
        held: Any = await store.client.execute_command("HGETALL", store.key(name))
        parts += [part for pair in held.items() for part in pair]
    return b"\n".join(parts)
