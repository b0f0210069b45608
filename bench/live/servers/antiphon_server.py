"""Antiphon on its own server: actions, a channel without and one with replay, sessions; its store embedded."""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path
from typing import Annotated, Any

import uvloop
from msgspec import Meta

from antiphon import (
    App,
    Caller,
    Channels,
    Context,
    Http,
    Module,
    Struct,
    Websocket,
    action,
    allow,
    anyone,
    channel,
    put,
)
from antiphon.core.session import SessionSource

Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
FREE = 1_000_000_000
PING_TIME = "4s"
"""Short, so that a look at idle sockets finds that each was asked for a sign of life."""


class Echo(Struct):
    """What echo:say answers."""

    text: str


class Said(Struct):
    """What watchers are shown."""

    text: str
    n: int


@channel("room", Said)
async def room(ctx: Context) -> None:
    """Anybody may watch."""


@channel("kept", Said, replay=300)
async def kept(ctx: Context) -> None:
    """Anybody may watch, and find what was missed."""


@action("echo:say", put("/echo"), allow(anyone))
def say(ctx: Context, text: Text) -> Echo:
    """A small call that never waits."""
    return Echo(text)


@action("room:say", put("/room"), allow(anyone))
async def say_in_room(ctx: Context, text: Text, n: int) -> None:
    """Show something to whoever watches."""
    await room().publish(ctx, Said(text, n))


@action("kept:say", put("/kept"), allow(anyone))
async def say_in_kept(ctx: Context, text: Text, n: int) -> None:
    """The same, and keep it."""
    await kept().publish(ctx, Said(text, n))


@action("session:open", put("/session"), allow(anyone))
async def open_session(ctx: Context, user: str) -> None:
    """Sign in, without a word: what is measured is not how people prove who they are."""
    session = await ctx.session()
    await session.start(Caller(kind="user", id=user))


def build(folder: Path, port: int) -> App:
    """The application. The load sends more frames than one client may; their number is counted all the same."""
    settings: dict[str, Any] = {
        "log": {"level": "warning"},
        "http": {"port": port, "connections": 20_000},
        "session": {"cookie_secure": False},
        "websocket": {"anonymous": True, "frames": FREE, "burst": FREE, "ping_time": PING_TIME},
    }
    here = Module(__name__, needs=[Channels, SessionSource])
    return App("bench", modules=[here], transports=[Http(), Websocket()], settings=settings, folder=folder)


async def _serve(app: App) -> None:
    ended = asyncio.Event()
    # So that the store ends before its folder goes.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await app.start(environ={}, listen=True)
    await ended.wait()
    await app.stop()


def serve_on(port: int) -> None:
    """Serve: what the command `serve` does, without its signals."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(build(Path(folder), port)))
