"""The actions that the tests of HTTP call and that take their time: slow ones, streams and uploads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any

from msgspec import Meta

from antiphon import Context, Struct, Upload, action, allow, anyone, get, post, put, timeout
from tests.transports.surface import RAISED, Read, Watch, Word, ada, raise_error


class Tick(Struct):
    n: int


@action("slow:limited", allow(anyone), get("/limited"), timeout("50ms"))
async def limited(ctx: Context) -> Word:
    """Take longer than it may."""
    await asyncio.Event().wait()
    return Word("never")


@action("slow:get", allow(anyone), get("/slow"))
async def slow_get(ctx: Context) -> Word:
    """Wait until the test says so."""
    return await _wait_for_word(ctx, "get")


@action("slow:put", allow(anyone), put("/slow"))
async def slow_put(ctx: Context) -> Word:
    """Wait until the test says so."""
    return await _wait_for_word(ctx, "put")


async def _wait_for_word(ctx: Context, name: str) -> Word:
    watch = ctx.get(Watch)
    watch.event(f"{name} began").set()
    try:
        await watch.event("go on").wait()
    except asyncio.CancelledError:
        watch.seen.append(f"{name} cancelled")
        raise
    watch.seen.append(f"{name} done")
    watch.event(f"{name} done").set()
    return Word(name)


@action("stream:count", allow(anyone), get("/count"))
async def count(ctx: Context, to: Annotated[int, Meta(ge=1, le=100)] = 3) -> AsyncIterator[Tick]:
    """Count."""
    for n in range(1, to + 1):
        await asyncio.sleep(0)
        yield Tick(n)


@action("stream:secret", allow(ada), get("/count/secret"))
async def count_secretly(ctx: Context) -> AsyncIterator[Tick]:
    """Count for Ada."""
    ctx.get(Watch).seen.append("secret began")
    yield Tick(1)


@action("stream:fail", allow(anyone), get("/count/fail"))
async def count_and_fail(ctx: Context, kind: str = "defect") -> AsyncIterator[Tick]:
    """Count to one and fail."""
    yield Tick(1)
    if kind == "defect":
        raise ValueError("SELECT password_hash FROM users")
    raise RAISED[kind]


@action("stream:odd", allow(anyone), get("/count/odd"))
async def count_oddly(ctx: Context) -> AsyncIterator[Any]:
    """Give an item that is no JSON."""
    yield object()


@action("stream:endless", allow(anyone), get("/endless"))
async def endless(ctx: Context, size: int = 0) -> AsyncIterator[Word]:
    """Give words without an end; tell when it is closed."""
    watch = ctx.get(Watch)
    try:
        while True:
            watch.seen.append("word")
            yield Word("x" * size)
            await asyncio.sleep(0)
            if not size:
                await watch.event("go on").wait()
    finally:
        watch.event("closed").set()


@action("stream:patient", allow(anyone), get("/patient"))
async def patient(ctx: Context) -> AsyncIterator[Tick]:
    """Give one item, and a second when the test says so, within a time limit of its own."""
    async with asyncio.timeout(60):
        yield Tick(1)
        await ctx.get(Watch).event("go on").wait()
        yield Tick(2)


@action("stream:file", allow(anyone), post("/count/file"))
async def stream_file(ctx: Context, file: Upload) -> AsyncIterator[Word]:
    """Give a file back, piece by piece."""
    yield Word("begin")
    yield Word(file.path.read_text())


class Kept(Struct):
    name: str
    type: str
    sniffed: str | None
    size_bytes: int
    sha256: str
    text: str
    there: bool


@action("file:put", allow(anyone), put("/file"))
async def take_file(ctx: Context, file: Upload, text: str = "-", fail: str = "") -> Kept:
    """Take a file."""
    if fail:
        await raise_error(ctx, fail)
    watch = ctx.get(Watch)
    watch.event("file came").set()
    if text == "wait":
        await watch.event("go on").wait()
    if text == "move":
        file.path.rename(ctx.app.folder / "moved")
    return Kept(file.name, file.type, file.sniffed, file.size_bytes, file.sha256, text, there=file.path.exists())


@action("file:put-secretly", allow(ada), put("/file/secret"))
async def take_secret_file(ctx: Context, file: Upload) -> None:
    """Take a file from Ada."""


@action("file:put-many", allow(anyone), put("/files"))
async def take_files(ctx: Context, files: list[Upload]) -> Read:
    """Take some files."""
    return Read({"names": [file.name for file in files]})
