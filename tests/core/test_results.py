"""A result is exactly what the signature promised: nothing wider ever leaves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec
import pytest
from msgspec import UNSET, UnsetType

from antiphon.core.access import allow, anyone
from antiphon.core.action import action
from antiphon.core.context import Context
from antiphon.core.errors import Defect
from antiphon.core.inputs.kinds import Email, Struct, Time
from antiphon.core.results import Download, check_for
from tests.core.stage import Lines, app_of, context, open_stream, run, started


class User(Struct):
    name: str


class FullUser(User):
    password_hash: str


class Size(Enum):
    SMALL = 1


class Page(Struct):
    users: list[User]
    owner: User | None = None
    by_name: dict[str, User] | UnsetType = UNSET
    place: tuple[int, User] | None = None


class Tree(Struct):
    name: str
    owner: User | None = None
    branches: list[Tree] = []


class Hen(Struct):
    egg: Egg | None = None


class Egg(Struct):
    hen: Hen | None = None


class Box[T](Struct):
    held: T


ADA, HASHED = User("Ada"), FullUser("Ada", "hash")
FILE = Download(Path("x"), "x", "text/plain", 1, "e")

KEPT: Sequence[tuple[Any, object]] = [
    (None, None),
    (type(None), None),
    (Any, HASHED),
    (int, 5),
    (str, "a"),
    (float, 5),
    (bool, False),
    (str | None, None),
    (Literal["a"], "a"),
    (Size, Size.SMALL),
    (list[Size] | None, [Size.SMALL]),
    (Email, Email("a@b.org")),
    (UUID, UUID(int=1)),
    (Time, datetime(2026, 1, 1, tzinfo=UTC)),
    (User, ADA),
    (User | None, None),
    (User | Page, ADA),
    (list[User], [ADA, ADA]),
    (list[User | None], [None, ADA]),
    (dict[str, list[User]], {"a": [ADA]}),
    (tuple[User, ...], (ADA,)),
    (tuple[int, User], (1, ADA)),
    (frozenset[str], frozenset({"a"})),
    (Page, Page([ADA], ADA, {"a": ADA}, (1, ADA))),
    (Page, Page([])),
    (Box[User], Box(ADA)),
    (Box[list[User]], Box([ADA])),
    (Tree, Tree("a", ADA, [Tree("b")])),
    (Hen, Hen(Egg(Hen()))),
    (Download, FILE),
    (msgspec.Raw, msgspec.Raw(b"1")),
    (Sequence[User], [ADA]),
]

BROKEN: Sequence[tuple[Any, object]] = [
    (None, 5),
    (int, "5"),
    (int, True),
    (int, None),
    (str, 5),
    (str | None, 5),
    (Literal["a"], "b"),
    (Size, 1),
    (User, None),
    (User, HASHED),
    (User, {"name": "Ada"}),
    (User | None, HASHED),
    (User | Page, HASHED),
    (list[User], [ADA, HASHED]),
    (list[User], (ADA,)),
    (list[User | None], [None, HASHED]),
    (dict[str, User], {"a": HASHED}),
    (dict[str, list[User]], {"a": [ADA, HASHED]}),
    (tuple[User, ...], (HASHED,)),
    (tuple[int, User], (1, HASHED)),
    (tuple[int, User], (1,)),
    (set[int], [1]),
    (Sequence[User], [HASHED]),
    (Page, Page([HASHED])),
    (Page, Page([], HASHED)),
    (Page, Page([], by_name={"a": HASHED})),
    (Page, Page([], place=(1, HASHED))),
    (Box[User], Box(HASHED)),
    (Box[list[User]], Box([HASHED])),
    (Tree, Tree("a", ADA, [Tree("b", ADA, [Tree("c", HASHED)])])),
]


@pytest.mark.parametrize(("annotation", "value"), KEPT)
def test_a_result_as_promised_is_kept(annotation: Any, value: object) -> None:
    """What the signature promises passes, whatever it is made of."""
    assert check_for(annotation)(value)


@pytest.mark.parametrize(("annotation", "value"), BROKEN)
def test_a_result_that_is_not_as_promised_is_found(annotation: Any, value: object) -> None:
    """Another type is found at any depth, and so is a Struct that holds more than was promised."""
    assert not check_for(annotation)(value)


@action("user:show", allow(anyone))
async def show(ctx: Context) -> User:
    return HASHED


@action("user:watch", allow(anyone))
async def watch(ctx: Context) -> AsyncIterator[User]:
    yield ADA
    yield HASHED


async def test_a_wider_struct_than_promised_is_a_defect() -> None:
    """The caller is told nothing of it, and the log has the action, what it gave and what it promised."""
    log = Lines()

    async with started(app_of(log.service, show)) as runtime:
        with pytest.raises(Defect) as caught:
            await run(runtime, show)

    assert "FullUser" not in caught.value.message
    (line,) = log.of("call.defect")
    assert "user:show gave a FullUser, and its signature promises" in str(line["error"])


async def test_a_wider_item_ends_a_stream() -> None:
    """The items before it arrive; the wide one never does."""
    async with started(app_of(watch)) as runtime:
        items = await open_stream(context(runtime, watch), watch)

        assert await anext(items) == ADA
        with pytest.raises(Defect):
            await anext(items)


async def test_calls_made_inside_are_checked_too() -> None:
    """Neither `ctx.call` nor `ctx.stream` hands on what was not promised."""

    @action("user:inside", allow(anyone))
    async def inside(ctx: Context, streamed: bool) -> None:
        if streamed:
            async for _ in ctx.stream(watch):
                pass
        else:
            await ctx.call(show)

    async with started(app_of(show, watch, inside)) as runtime:
        for streamed in (True, False):
            with pytest.raises(Defect):
                await run(runtime, inside, streamed=streamed)
