"""An application that shows events over sockets, to be run as a process of its own and killed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

from antiphon import (
    ANONYMOUS,
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
    post,
    service,
)
from antiphon.core.session import Identifier


class Posted(Struct):
    body: str


class Names(Identifier):
    """Knows whoever shows a name, as `Authorization: Bearer ada`."""

    async def identify(self, ctx: Context) -> Caller:
        name = ctx.connection.bearer
        return Caller(kind="user", id=name) if name else ANONYMOUS


@service
async def names() -> AsyncIterator[Names]:
    """The callers of these tests."""
    yield Names()


@channel("news", Posted, presence=True, replay=300)
async def news(ctx: Context) -> None:
    """Everybody."""


@action("news:post", allow(anyone), post("/news", status=201))
async def post_news(ctx: Context, body: str) -> None:
    """Say something."""
    await news().publish(ctx, Posted(body))


app = App(
    "live",
    modules=[Module(__name__, needs=[Channels])],
    transports=[Http(), Websocket()],
    folder=Path(os.environ.get("APP_HOME", ".")),
)

if __name__ == "__main__":
    app.main()
