"""What the tests of channels share: nodes of one application on one store, and watchers that remember their frames."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from antiphon.application import App
from antiphon.core.access import allow, anyone, require
from antiphon.core.action import Action, AnyAction, action
from antiphon.core.caller import Caller
from antiphon.core.channel import AnyChannel, Position, channel
from antiphon.core.clock import Clock
from antiphon.core.connection import Connection
from antiphon.core.context import Context
from antiphon.core.errors import Forbidden
from antiphon.core.inputs.kinds import Struct
from antiphon.core.module import Gathered, Module
from antiphon.core.runtime import Runtime
from antiphon.services.channels.channels import Channels
from antiphon.services.channels.frames import Frame
from antiphon.services.channels.watching import Watch
from antiphon.services.rules import signed_in
from antiphon.testing.waiting import wait_until

QUICK = {
    "CHANNELS_GATHER_TIME": "20ms",
    "CHANNELS_GRACE_TIME": "300ms",
    "CHANNELS_LINGER_TIME": "100ms",
    "CHANNELS_RENEW_TIME": "200ms",
    "CHANNELS_LEASE_TIME": "2s",
    "CHANNELS_LOOK_TIME": "100ms",
}
"""Times of tests that cross them."""


class Posted(Struct):
    """Something was said."""

    body: str


class Typing(Struct):
    """Somebody is typing."""

    user_id: str


class Rang(Struct):
    """A bell that nobody remembers."""

    times: int


@channel("board", Posted, ephemeral=(Typing,), presence=True, replay=50)
async def board(ctx: Context) -> None:
    """Whoever is signed in."""
    await require(signed_in, ctx)


@channel("room:{room_id}", Posted, replay=5)
async def room(ctx: Context, room_id: Annotated[int, Meta(ge=1)]) -> None:
    """Everybody, but into room 13."""
    if room_id == 13 or ctx.caller.has_role("barred"):
        raise Forbidden


@channel("bell", Rang)
async def bell(ctx: Context) -> None:
    """Everybody."""


@channel("broken", Rang)
async def broken(ctx: Context) -> None:
    """Nobody, by mistake."""
    raise RuntimeError("the door is out of its hinges")


@action("board:post", allow(anyone))
async def post(ctx: Context, body: str) -> None:
    """Say something on the board."""
    await board().publish(ctx, Posted(body))


@action("board:type", allow(anyone))
async def type_something(ctx: Context) -> None:
    """Show that the caller types."""
    await board().publish(ctx, Typing(ctx.caller.id))


@action("room:post", allow(anyone))
async def post_in(ctx: Context, room_id: int, body: str) -> None:
    """Say something in a room."""
    await room(room_id).publish(ctx, Posted(body))


@action("room:ask", allow(anyone))
async def ask(ctx: Context, room_id: int, user_id: str) -> None:
    """Ask the door of a room again."""
    await room(room_id).ask_again(ctx, user_id)


@action("bell:ring", allow(anyone))
async def ring(ctx: Context, times: int) -> None:
    """Ring the bell."""
    await bell().publish(ctx, Rang(times))


@action("board:fail", allow(anyone))
async def fail(ctx: Context, body: str) -> None:
    """Say something, and fail."""
    await board().publish(ctx, Posted(body))
    raise Forbidden


@action("board:position", allow(anyone))
async def position(ctx: Context) -> Position:
    """Where the board is."""
    return await board().position(ctx)


class Everything(Module):
    """All of it, so that one file can hold it."""

    def __init__(self, *more: Any, needs: Iterable[type] = ()) -> None:
        super().__init__("everything", needs=[Channels, *needs])
        self.more = more

    def gather(self, into: Gathered) -> None:
        """Take the pieces."""
        into.actions += [post, type_something, post_in, ask, ring, fail, position]
        into.channels += [board, room, bell, broken]
        for piece in self.more:
            if isinstance(piece, AnyChannel):
                into.channels.append(piece)
            elif isinstance(piece, AnyAction):
                into.actions.append(piece)
            else:
                into.services.append(piece)
        into.needs += [(self.name, need) for need in self.needs]


def user(name: str, *, tenant_id: str = "", roles: frozenset[str] = frozenset()) -> Caller:
    """Somebody who is signed in."""
    return Caller("user", name, tenant_id, roles)


class Screen:
    """A watcher that remembers what it is shown."""

    numbers = count(1)

    def __init__(self, node: Node, caller: Caller) -> None:
        self.node = node
        self.caller = caller
        self.watches: dict[str, Watch] = {}
        self.raw: list[Frame] = []
        self.frames: list[Any] = []
        self.number = next(Screen.numbers)

    def deliver(self, frame: Frame) -> None:
        """Remember a frame."""
        self.raw.append(frame)
        self.frames.append(json.loads(frame.data))

    def context(self) -> Context:
        """A context on this connection."""
        return self.node.context("subscribe", self.caller)

    async def watch(self, topic: str, since: Position | None = None) -> Any:
        """Subscribe, take the answer and begin; the answer as the client sees it."""
        watch = await self.node.channels.subscribe(self.context(), topic, self, since)
        answer = json.loads(msgspec.json.encode(watch.answer))
        watch.begin()
        return answer

    def unwatch(self, topic: str) -> bool:
        """Unsubscribe."""
        return self.node.channels.unsubscribe(self, topic)

    def lose(self) -> None:
        """Lose the connection."""
        self.node.channels.drop(self)

    def of(self, kind: str) -> list[Any]:
        """What was shown under this name."""
        return [frame[kind] for frame in self.frames if kind in frame]

    @property
    def bodies(self) -> list[str]:
        """The texts of what was posted."""
        return [frame["data"]["body"] for frame in self.frames if frame.get("event") == "Posted"]

    @property
    def offsets(self) -> list[int]:
        """The offsets of what was posted."""
        return [frame["offset"] for frame in self.frames if frame.get("event") == "Posted"]

    async def sees(self, *bodies: str, within: float = 5.0) -> None:
        """Wait until exactly these texts have been shown."""
        await wait_until(lambda: self.bodies == [*bodies], f"never saw {bodies}, but {self.bodies}", within=within)

    async def shown(self, kind: str, number: int = 1, within: float = 5.0) -> Any:
        """Wait until so many frames of this kind were shown; the last one."""
        await wait_until(lambda: len(self.of(kind)) >= number, f"{kind} never came: {self.frames}", within=within)
        return self.of(kind)[-1]


class Node:
    """One process of the application, as far as it can be one inside the test."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        channels = runtime.find(Channels)
        assert channels is not None
        self.channels = channels
        self.hub = channels.hub
        self.relay = channels.hub.relay

    def context(self, name: str, caller: Caller) -> Context:
        """A context for something that is no call."""
        deadline = self.runtime.clock.monotonic() + 30.0
        ctx = Context(self.runtime, name, Connection("direct"), "r", deadline, safe=False)
        ctx.become(caller)
        return ctx

    def screen(self, name: str = "ada", *, tenant_id: str = "", roles: frozenset[str] = frozenset()) -> Screen:
        """A new connection of somebody."""
        return Screen(self, user(name, tenant_id=tenant_id, roles=roles))

    async def run(self, does: Action[Any, Any], /, *, caller: Caller | None = None, **inputs: object) -> Any:
        """Run a call from outside."""

        def read(given: dict[str, object]) -> Any:
            return does.schema.from_python(given)

        ctx = self.runtime.context(does, Connection("direct"), caller=caller or user("bob"))
        return await self.runtime.runner(does.name).run(ctx, read, inputs)

    async def post(self, *bodies: str, caller: Caller | None = None) -> None:
        """Say something on the board, one call each."""
        for body in bodies:
            await self.run(post, body=body, caller=caller)


@asynccontextmanager
async def node(
    url: str,
    prefix: str,
    environ: Mapping[str, str] | None = None,
    *,
    more: tuple[Any, ...] = (),
    needs: Iterable[type] = (),
    values: Iterable[object] = (),
    clock: Clock | None = None,
) -> AsyncGenerator[Node]:
    """A node on this store."""
    app = App("channels", modules=[Everything(*more, needs=needs)], values=values, clock=clock)
    settings = {"ANTIPHON_ENV": "test", "LOG_LEVEL": "error", "REDIS_URL": url, "REDIS_PREFIX": prefix}
    async with app.running(environ={**settings, **(environ or {})}) as runtime:
        yield Node(runtime)


async def settled() -> None:
    """Let everything that is ready run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def in_room(on: Node, *bodies: str) -> None:
    """Say something in room 1, which keeps five."""
    for body in bodies:
        await on.run(post_in, room_id=1, body=body)


def place(answer: dict[str, object]) -> Position:
    """The position in an answer."""
    return Position(str(answer["epoch"]), int(str(answer["offset"])))
