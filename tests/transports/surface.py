"""The actions that the tests of HTTP call: one for each thing an answer can be made of."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from antiphon import (
    ANONYMOUS,
    Caller,
    Conflict,
    Context,
    Defect,
    Download,
    Email,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    Secret,
    Struct,
    Time,
    TimedOut,
    TooLarge,
    TooManyCalls,
    Unavailable,
    Verdict,
    action,
    allow,
    anyone,
    delete,
    etag,
    get,
    patch,
    post,
    put,
    service,
)
from antiphon.core.session import Identifier, SessionEnded, SessionStarted

Name = Annotated[str, Meta(min_length=2, max_length=20)]


class Word(Struct):
    text: str
    id: str = "1"
    version: int = 1


class Read(Struct):
    """What an action was given, shown back."""

    values: dict[str, Any]


class Watch:
    """What the actions of one application tell the test: events by name, which the test waits for or gives."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = {}
        self.seen: list[str] = []

    def event(self, name: str) -> asyncio.Event:
        """The event of this name."""
        return self._events.setdefault(name, asyncio.Event())


class Bearers(Identifier):
    """Knows whoever shows a name, as `Authorization: Bearer ada`."""

    async def identify(self, ctx: Context) -> Caller:
        name = ctx.connection.bearer
        return Caller(kind="user", id=name) if name else ANONYMOUS


@service
async def bearers() -> AsyncIterator[Bearers]:
    """The callers of these tests."""
    yield Bearers()


async def ada(ctx: Context) -> Verdict:
    """Ada alone."""
    return Verdict(granted=ctx.caller.id == "ada")


@action("word:get", allow(anyone), get("/word"))
async def get_word(ctx: Context) -> Word:
    """Give a word."""
    return Word("hello")


@action("word:fast", allow(anyone), get("/word/fast"))
def fast_word(ctx: Context) -> Word:
    """Give a word here and now."""
    return Word("fast")


@action("word:view", allow(anyone), get("/word/{word_id}"))
async def view_word(ctx: Context, word_id: str) -> Word:
    """Give a word by its id."""
    return Word("one", word_id)


@action("word:part", allow(anyone), get("/word/{word_id}/{part}"))
async def view_part(ctx: Context, word_id: str, part: str) -> Word:
    """Give a part of a word."""
    return Word(part, word_id)


@action("word:letters", allow(anyone), get("/word/{word_id}/letters"))
async def view_letters(ctx: Context, word_id: str) -> Word:
    """Give the letters of a word."""
    return Word("letters", word_id)


@action("word:year", allow(anyone), get(re.compile(r"/year/(?P<year>[0-9]{4})-(?P<name>[^/]+)")))
async def view_year(ctx: Context, year: int, name: str) -> Word:
    """Give a word of a year."""
    return Word(f"{year} {name}")


@action("word:any-year", allow(anyone), get(re.compile(r"/year/(?P<name>.+)")))
async def view_any_year(ctx: Context, name: str) -> Word:
    """Give a word of no year."""
    return Word(f"any {name}")


@action("word:outside", allow(anyone), get("/outside", outside=True))
async def outside(ctx: Context) -> Word:
    """Give a word outside the prefix."""
    return Word("outside")


@action("word:create", allow(anyone), put("/word", status=201, location="/word/{id}"))
async def create_word(ctx: Context, text: Name) -> Word:
    """Keep a word."""
    return Word(text, "a b/ü")


@action("word:destroy", allow(anyone), delete("/word/{word_id}"))
async def destroy_word(ctx: Context, word_id: str) -> None:
    """Forget a word."""


@action("word:amend", allow(anyone), patch("/word/{word_id}"))
async def amend_word(ctx: Context, word_id: str) -> Word:
    """Change a word; tells what If-Match said."""
    return Word(ctx.base or "-", word_id)


@action("word:chosen", allow(anyone), post("/chosen", status=lambda word: 202 if word.text == "later" else 200))
async def chosen(ctx: Context, text: str) -> Word:
    """Answer with a status made from the result."""
    return Word(text)


@action("read:inputs", allow(anyone), post("/read/{name}"))
async def read_inputs(
    ctx: Context,
    name: str,
    number: int = 0,
    flag: bool = False,
    ratio: float = 0.0,
    mail: Email | None = None,
    tags: list[str] | None = None,
    numbers: list[int] | None = None,
    when: datetime | None = None,
    word: Word | None = None,
    long_name: str = "-",
    password: Secret[str] | None = None,
) -> Read:
    """Show what was read."""
    return Read({
        "name": name, "number": number, "flag": flag, "ratio": ratio, "mail": mail, "tags": tags, "numbers": numbers,
        "when": when, "word": word, "longName": long_name, "password": None if password is None else "given",
    })  # fmt: skip


@action("read:query", allow(anyone), get("/query"))
async def read_query(
    ctx: Context,
    text: str = "-",
    number: int = 0,
    flag: bool = False,
    tags: list[str] | None = None,
    to: int | None = 7,
) -> Read:
    """Show what the query said."""
    return Read({"text": text, "number": number, "flag": flag, "tags": tags, "to": to})


@action("read:strict", allow(anyone), post("/strict"))
async def read_strict(ctx: Context, name: Name, number: Annotated[int, Meta(ge=1)], mail: Email) -> Read:
    """Take three inputs, none of them easy."""
    return Read({"name": name, "number": number, "mail": mail})


@action("read:time", allow(anyone), post("/timed"))
async def read_time(ctx: Context, at: Time) -> Read:
    """Take a moment."""
    return Read({"at": at})


@action("secret:see", allow(ada), get("/secret"))
async def see_secret(ctx: Context) -> Word:
    """Show something to Ada alone."""
    return Word("for Ada")


@action("secret:set", allow(ada), put("/secret"))
async def set_secret(ctx: Context, text: Name) -> Word:
    """Take something from Ada alone."""
    return Word(text)


@action("peer:get", allow(anyone), get("/peer"))
async def get_peer(ctx: Context) -> Word:
    """Tell where the call came from."""
    return Word(ctx.connection.identifier)


@action("trace:get", allow(anyone), get("/trace"))
async def get_trace(ctx: Context) -> Word:
    """Tell which trace the call is a part of."""
    return Word(ctx.connection.traceparent)


@action("tag:bytes", allow(anyone), get("/tag"), etag())
async def tagged(ctx: Context, size: int = 10) -> Word:
    """Give something that a client may have already."""
    return Word("x" * size)


@action("tag:version", allow(anyone), get("/version"), etag(by="version"))
async def versioned(ctx: Context, version: int = 1, size: int = 10) -> Word:
    """Give something with a version."""
    return Word("x" * size, version=version)


@action("big:get", allow(anyone), get("/big"))
async def big(ctx: Context, size: int = 3000) -> Word:
    """Give something of this size."""
    return Word("x" * size)


@action("file:get", allow(anyone), get("/file"))
async def give_file(ctx: Context, name: str = "Ünï code.txt", missing: bool = False) -> Download:
    """Give a file of ten digits."""
    path = ctx.app.folder / "digits.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"0123456789")
    if missing:
        path = path.with_name("gone")
    return Download(path, name, "text/plain", 10, "abc", datetime(2026, 1, 2, tzinfo=UTC))


@action("session:begin", allow(anyone), post("/session"))
async def begin_session(ctx: Context) -> None:
    """Let the client carry an id."""
    ctx.tell(SessionStarted("token", 60, "sid"))
    ctx.become(ANONYMOUS)


@action("session:end", allow(anyone), delete("/session"))
async def end_session(ctx: Context) -> None:
    """Let the client forget its id."""
    ctx.tell(SessionEnded())


RAISED = {
    "input": InvalidInput.of("name", "is not liked"),
    "unknown": NotSignedIn(),
    "refused": Forbidden(),
    "missing": NotFound(),
    "conflict": Conflict("is taken", field="name"),
    "often": TooManyCalls(retry_after=2.5),
    "large": TooLarge(),
    "late": TimedOut(),
    "away": Unavailable(retry_after=7),
    "defect": Defect(),
}


@action("error:raise", allow(anyone), get("/error/{kind}"), put("/error/{kind}"))
async def raise_error(ctx: Context, kind: str) -> Word:
    """Fail in the way that is named."""
    if kind in RAISED:
        raise RAISED[kind]
    if kind == "promise":
        return "no word at all"  # pyright: ignore[reportReturnType]  # this is what has to be found out
    raise ValueError("SELECT password_hash FROM users")


@action("error:location", allow(anyone), put("/location", status=201, location="/x/{nothing}"))
async def bad_location(ctx: Context) -> Word:
    """Give a result that the route cannot make a Location of."""
    return Word("x")


@action("error:instant", allow(anyone), get("/instant"))
def fail_at_once(ctx: Context) -> Any:
    """Give, here and now, a result that is no JSON."""
    return object()


@action("much:read", get("/much"), allow(anyone))
def read_much(ctx: Context, size: int = 400_000) -> dict[str, str]:
    """More than is compressed while others wait."""
    return {"text": "a" * size}
