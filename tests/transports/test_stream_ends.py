"""A stream ends when the session that opened it does, on every node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon import App, Caller, Context, Http, Module, Revocations, Struct, action, allow, get, put, signed_in
from antiphon import anyone as anybody
from antiphon.core.session import Identifier, SessionSource
from antiphon.testing.engines import ValkeyServer
from antiphon.testing.raw import RawHttp


class Beat(Struct):
    n: int


@action("beats:watch", get("/beats"), allow(signed_in))
async def watch_beats(ctx: Context) -> AsyncIterator[Beat]:
    """One beat, and then none for as long as somebody listens."""
    yield Beat(1)
    await asyncio.Event().wait()


@action("ada:enter", put("/ada"), allow(anybody))
async def enter(ctx: Context) -> None:
    """Sign in as Ada."""
    await (await ctx.session()).start(Caller(kind="user", id="ada"))


@action("ada:leave", put("/ada/leave"), allow(signed_in))
async def leave(ctx: Context) -> None:
    """Sign out."""
    await (await ctx.session()).end()


@action("ada:rotate", put("/ada/rotate"), allow(signed_in))
async def rotate(ctx: Context) -> None:
    """Take a new id."""
    await (await ctx.session()).rotate()


@asynccontextmanager
async def node(folder: Path, store: ValkeyServer, prefix: str) -> AsyncGenerator[int]:
    """One process' worth of the application; gives its port."""
    app = App(
        "beats",
        version="1",
        modules=[Module(__name__, needs=[SessionSource, Identifier, Revocations])],
        transports=[Http()],
        settings={"http": {"port": 0}, "session": {"cookie_secure": False}, "log": {"level": "error"}},
        folder=folder,
    )
    environ = {"ANTIPHON_ENV": "test", "REDIS_URL": store.url, "REDIS_PREFIX": prefix}
    async with app.running(environ=environ, listen=True):
        yield app.transport(Http).port


async def cookie(port: int) -> str:
    """The cookie of a new session."""
    async with RawHttp.to("127.0.0.1", port) as client:
        answer = await client.request("PUT", "/api/ada")
    return (answer.header("set-cookie") or "").partition(";")[0]


@pytest.mark.parametrize("ending", ["leave", "rotate"])
@pytest.mark.parametrize("accept", ["text/event-stream", "application/jsonl"])
async def test_a_stream_ends_with_its_session_on_another_node(
    tmp_path: Path, valkey: ValkeyServer, store_prefix: str, ending: str, accept: str
) -> None:
    """Its client is told why; a stream of another session goes on until that one ends."""
    async with node(tmp_path, valkey, store_prefix) as here, node(tmp_path, valkey, store_prefix) as there:
        ada, other = await cookie(here), await cookie(here)
        async with (
            RawHttp.to("127.0.0.1", there) as listening,
            RawHttp.to("127.0.0.1", there) as beside,
            RawHttp.to("127.0.0.1", here) as acting,
        ):
            for client, shown in ((listening, ada), (beside, other)):
                await client.send(
                    f"GET /api/beats HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nCookie: {shown}\r\n\r\n".encode()
                )
                assert (await client.head()).status == 200
                assert b'"n":1' in await client.chunk()
            other_is_told = asyncio.create_task(beside.chunk())
            answer = await acting.request("PUT", f"/api/ada/{ending}", {"cookie": ada})
            told = await listening.chunk()
            over = await listening.chunk()
            assert not other_is_told.done()
            await acting.request("PUT", "/api/ada/leave", {"cookie": other})

            assert answer.status == 204
            assert b"NOT_SIGNED_IN" in told
            assert over == b""
            assert b"NOT_SIGNED_IN" in await other_is_told
