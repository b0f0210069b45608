"""Actions to be repeated under keys, over every transport; each effect is counted, and a test decides when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from antiphon import (
    ANONYMOUS,
    App,
    AskAgain,
    Caller,
    Conflict,
    Context,
    Download,
    Email,
    Http,
    Module,
    NotFound,
    Secret,
    Store,
    Struct,
    TooManyCalls,
    Unavailable,
    Upload,
    Websocket,
    action,
    allow,
    anyone,
    delete,
    get,
    post,
    put,
    service,
)
from antiphon.core.session import Identifier, SessionStarted
from antiphon.testing.waiting import wait_until


class Note(Struct):
    """Something written down."""

    id: int
    text: str
    author: Email | None = None


class Effects:
    """How often something was done, and the gate that `keyed:slow` waits at."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.keys: list[str] = []
        self.gate = asyncio.Event()

    @property
    def count(self) -> int:
        """How many effects there are."""
        return len(self.done)

    async def begun(self, count: int) -> None:
        """Wait until so many have begun."""
        await wait_until(lambda: self.count >= count, "the call never began")


@service
async def effects() -> AsyncIterator[Effects]:
    """What was done."""
    yield Effects()


class ByName(Identifier):
    """Knows everybody by the name they show."""

    async def identify(self, ctx: Context) -> Caller:
        name = ctx.connection.bearer
        return Caller("user", name) if name else ANONYMOUS


@service
async def by_name() -> AsyncIterator[ByName]:
    """Callers by the name that they show as a token."""
    yield ByName()


def _did(ctx: Context, what: str) -> int:
    effects = ctx.get(Effects)
    effects.done.append(what)
    effects.keys.append(ctx.idempotency_key)
    return effects.count


@action("keyed:add", put("/notes", status=201, location="/notes/{id}"), allow(anyone))
async def add(ctx: Context, text: str, tags: frozenset[str] = frozenset()) -> Note:
    """Add a note."""
    return Note(_did(ctx, text), text, Email("ada@example.com"))


@action("keyed:instant", allow(anyone))
def add_now(ctx: Context, text: str) -> Note:
    """Add a note without waiting."""
    return Note(_did(ctx, text), text)


@action("keyed:slow", post("/slow"), allow(anyone))
async def slow(ctx: Context, text: str) -> Note:
    """Add a note when the test says so."""
    number = _did(ctx, text)
    await ctx.get(Effects).gate.wait()
    return Note(number, text)


@action("keyed:look", get("/look"), allow(anyone))
async def look(ctx: Context) -> int:
    """Change nothing, and count it."""
    return _did(ctx, "look")


@action("keyed:remove", delete("/notes/{number}"), allow(anyone))
async def remove(ctx: Context, number: int) -> None:
    """Remove a note."""
    _did(ctx, f"remove {number}")


@action("keyed:refused", post("/refused"), allow(anyone))
async def refused(ctx: Context, how: str) -> None:
    """End with an error."""
    number = _did(ctx, how)
    match how:
        case "conflict":
            raise Conflict(f"The name is taken, {number}.", field="name")
        case "gone":
            raise NotFound
        case "away":
            raise Unavailable
        case "often":
            raise TooManyCalls
        case _:
            raise RuntimeError("an accident")


@action("keyed:large", post("/large"), allow(anyone))
async def large(ctx: Context, letters: int) -> str:
    """Give a long text."""
    _did(ctx, "large")
    return "x" * letters


@action("keyed:secret", post("/secret"), allow(anyone))
async def with_secret(ctx: Context, password: Secret[str]) -> Note:
    """Take a secret, which is to be the right one."""
    number = _did(ctx, "secret")
    if password.reveal() != "right":
        raise NotFound
    return Note(number, "opened")


@action("keyed:sign-in", post("/sign-in"), allow(anyone))
async def sign_in(ctx: Context) -> int:
    """Begin a session, as far as the transport can see."""
    ctx.tell(SessionStarted(f"session-{_did(ctx, 'sign in')}", 60, "sid"))
    return 1


@action("keyed:file", post("/file"), allow(anyone))
async def give_file(ctx: Context) -> Download:
    """Give a file."""
    _did(ctx, "file")
    path = Path(__file__)
    return Download(path, "a.txt", "text/plain", path.stat().st_size, "a")


@action("keyed:take-file", post("/take-file"), allow(anyone))
async def take_file(ctx: Context, file: Upload) -> int:
    """Take a file."""
    _did(ctx, "took")
    return file.size_bytes


@action("keyed:raw", post("/raw"), allow(anyone))
async def raw(ctx: Context) -> msgspec.Raw:
    """Give JSON that is written already."""
    return msgspec.Raw(b'{"n":%d}' % _did(ctx, "raw"))


@action("keyed:begin", put("/tasks", status=202, location="/notes/{id}"), allow(anyone))
async def begin_note(ctx: Context) -> Note:
    """Take a note that is written later."""
    number = _did(ctx, "begun")
    ctx.tell(AskAgain(7.5))
    return Note(number, "soon")


@action("keyed:stream", post("/stream"), allow(anyone))
async def stream(ctx: Context) -> AsyncIterator[int]:
    """Count, and change something."""
    yield _did(ctx, "stream")


app = App("keyed", modules=[Module(__name__, needs=[Store])], transports=[Http(), Websocket()])
