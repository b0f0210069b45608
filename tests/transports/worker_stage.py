"""An application with a worker, its world, and jobs put into its queues by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from antiphon import (
    App,
    Caller,
    Conflict,
    Context,
    Directory,
    Http,
    Module,
    NotFound,
    Struct,
    TooManyCalls,
    Unavailable,
    Worker,
    action,
    admin,
    allow,
    anyone,
    get,
    only,
    retry,
    service,
    signed_in,
    timeout,
)
from antiphon.core.job import JobState
from antiphon.services.streams.message import CallerRef, JobMessage
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobRecord
from antiphon.services.streams.schemas import schema_digest
from antiphon.testing.app import TestApp
from antiphon.testing.waiting import wait_until
from tests.services import streams_stage


@dataclass
class World:
    """What jobs do, and what they wait for."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    said: list[str] = field(default_factory=list[str])
    contexts: list[Context] = field(default_factory=list[Context])
    running: int = 0
    most_running: int = 0
    cancelled: int = 0


class Users(Directory):
    """Who there is, with the roles of this moment."""

    def __init__(self) -> None:
        self.callers: dict[str, Caller] = {}

    async def find_caller(self, who: str) -> Caller | None:
        """The user with this id."""
        return self.callers.get(who)


@service
async def users() -> AsyncIterator[Users]:
    """Nobody, until a test says so."""
    yield Users()


class Item(Struct):
    n: int


@action("word:say", allow(anyone))
async def say(ctx: Context, text: str) -> str:
    """Say it."""
    world = ctx.get(World)
    world.contexts.append(ctx)
    world.said.append(text)
    return text


@action("gate:wait", allow(anyone), timeout("1m"))
async def wait(ctx: Context) -> str:
    """Wait until the gate opens."""
    world = ctx.get(World)
    world.contexts.append(ctx)
    world.running += 1
    world.most_running = max(world.most_running, world.running)
    try:
        await world.gate.wait()
    except asyncio.CancelledError:
        world.cancelled += 1
        raise
    finally:
        world.running -= 1
    return "through"


@action("gate:ignore", allow(anyone), timeout("100ms"), retry(attempts=1))
async def ignore(ctx: Context) -> None:
    """Wait until the gate opens, whoever wants it to stop."""
    world = ctx.get(World)
    world.running += 1
    while not world.gate.is_set():
        try:
            await world.gate.wait()
        except asyncio.CancelledError:
            world.cancelled += 1
    world.running -= 1


@action("gate:hurry", allow(anyone), timeout("100ms"), retry(attempts=1))
async def hurry(ctx: Context) -> None:
    """Wait for longer than it may."""
    await ctx.get(World).gate.wait()


@action("word:fail", allow(anyone), retry(attempts=3, first="10ms", max="20ms"))
async def fail(ctx: Context, how: str) -> str:
    """Fail in one of several ways; `once` only the first time."""
    world = ctx.get(World)
    world.contexts.append(ctx)
    world.said.append(how)
    if how == "conflict":
        raise Conflict("No.")
    if how == "away":
        raise Unavailable(retry_after=0.05)
    if how == "snooze" and len(world.said) < 4:
        ctx.snooze("10ms")
    if how == "often" and len(world.said) < 4:
        raise TooManyCalls(retry_after=0.01)
    if how == "leave":
        raise asyncio.CancelledError
    if how == "always" or (how == "once" and len(world.said) == 1):
        raise RuntimeError("a word that nobody may read")
    return "done"


@action("word:count", allow(anyone))
async def count(ctx: Context, to: int) -> AsyncIterator[Item]:
    """Count."""
    for n in range(1, to + 1):
        yield Item(n)
        if n == 2:
            await ctx.get(World).gate.wait()


@action("word:report", allow(anyone))
async def report(ctx: Context) -> None:
    """Say a hundred times how far it is, and wait."""
    for step in range(100):
        await ctx.progress(step / 100, f"step {step}")
    await ctx.get(World).gate.wait()


@action("word:long", allow(anyone))
async def long(ctx: Context) -> str:
    """Give more than is kept."""
    return "x" * 70_000


@action("word:secret", allow(admin))
async def secret(ctx: Context) -> str:
    """Only for admins."""
    return ctx.caller.id


@action("word:mine", allow(signed_in))
async def mine(ctx: Context) -> str:
    """Who asks."""
    return ctx.caller.id


@action("word:http", get("/word"), allow(anyone), only("http"))
async def http_only(ctx: Context) -> None:
    """Not for queues."""
    raise NotFound


module = Module(__name__)

FAST = {"STREAMS_RENEW_TIME": "100ms", "STREAMS_LEASE_TIME": "1s", "STREAMS_CLAIM_TIME": "200ms"}
"""Times at which a test sees leases run out."""


@dataclass(frozen=True)
class Stage:
    """A running application, its queues and its world."""

    app: TestApp
    world: World
    queues: Queues

    @property
    def worker(self) -> Worker:
        """The transport."""
        return self.app.app.transport(Worker)

    @property
    def users(self) -> Users:
        """Who there is."""
        return self.app.runtime.require(Users, "the stage")

    async def put(self, name: str, **inputs: Any) -> str:
        """Queue a call as the system; gives the id of the job."""
        return await self.put_message(self.message(name, **inputs))

    async def put_message(self, message: JobMessage) -> str:
        """Queue a message."""
        (enqueued,) = await self.queues.enqueue([message])
        return enqueued.id

    def message(self, name: str, **inputs: Any) -> JobMessage:
        """The message of a call."""
        action = self.app.runtime.actions.get(name)
        return streams_stage.message(
            "default",
            action=name,
            schema="" if action is None else schema_digest(action),
            inputs=msgspec.Raw(msgspec.json.encode(inputs)),
            caller=CallerRef("system", "", "", "http"),
            request_id="the-request",
            traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            attempts=3,
        )

    async def record(self, job_id: str) -> JobRecord:
        """The job as it stands."""
        found = await self.queues.view(job_id)
        assert found is not None
        return found

    async def reaches(self, job_id: str, state: JobState, *, within: float = 10.0) -> JobRecord:
        """Wait until a job is in this state."""

        async def there() -> bool:
            return (await self.record(job_id)).state == state

        await wait_until(there, f"the job was never {state}", within=within)
        return await self.record(job_id)


@asynccontextmanager
async def on_worker_stage(
    folder: Path,
    url: str,
    prefix: str,
    environ: Mapping[str, str] | None = None,
    *,
    http: bool = False,
    listen: bool = True,
) -> AsyncGenerator[Stage]:
    """The application, with a worker that takes jobs, for as long as the block runs."""
    world = World()
    transports = [Http(), Worker()] if http else [Worker()]
    app = App("stage", modules=[module], transports=transports, values=[world], folder=folder)
    settings = {"REDIS_URL": url, "REDIS_PREFIX": prefix, "LOG_LEVEL": "error", **(environ or {})}
    async with TestApp.start(app, folder, settings, listen=listen) as running:
        yield Stage(running, world, running.runtime.require(Queues, "the stage"))
        world.gate.set()


def as_user(message: JobMessage, user_id: str, tenant_id: str = "") -> JobMessage:
    """The same job, asked for by a user."""
    return msgspec.structs.replace(message, caller=CallerRef("user", user_id, tenant_id, "http"))
