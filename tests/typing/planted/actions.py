"""Actions keep the signature of their function: every way of calling one is checked, bare or through the context."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import assert_type

from antiphon.core.access import allow, anyone
from antiphon.core.action import Action, Call, Stream, action
from antiphon.core.context import Context


@action("message:create", allow(anyone))
async def create(ctx: Context, body: str, *, loud: bool = False) -> int:
    """An `async def`."""
    return len(body)


@action("message:count", allow(anyone))
def count(ctx: Context, to: int = 3) -> str:
    """A plain `def`."""
    return str(to)


@action("message:follow", allow(anyone))
async def follow(ctx: Context, to: int) -> AsyncIterator[bytes]:
    """An async generator."""
    yield b""


@action("message:wrong", "not a trait")  # error: reportArgumentType
async def wrong_trait(ctx: Context) -> None: ...


@action(5, allow(anyone))  # error: reportArgumentType
async def wrong_name(ctx: Context) -> None: ...


@action("message:alone", allow(anyone))  # error: reportArgumentType
async def without_context(body: str) -> None: ...


def takes_action(action: Action[..., str]) -> None: ...
def takes_call(call: Call[str]) -> None: ...
def takes_text(text: str) -> None: ...
def takes_stream(action: Stream[..., bytes]) -> None: ...


def kinds() -> None:
    """Each kind of function becomes its kind of action, with its inputs and its result."""
    takes_action(count)
    takes_stream(follow)
    takes_action(create)  # error: reportArgumentType
    takes_action(follow)  # error: reportArgumentType
    takes_stream(count)  # error: reportArgumentType


async def bare(ctx: Context) -> None:
    """`await action(ctx, …)` is the function."""
    assert_type(await create(ctx, "hi"), int)
    assert_type(await create(ctx, body="hi", loud=True), int)
    assert_type(await count(ctx, 5), str)
    assert_type(count(ctx), Awaitable[str])
    async for item in follow(ctx, 3):
        assert_type(item, bytes)
    await create(ctx)  # error: Argument missing for parameter "body"
    await create(ctx, 5)  # error: "Literal[5]" is not assignable to "str"
    await create(ctx, "hi", True)  # error: reportCallIssue
    await create(ctx, text="hi")  # error: No parameter named "text"
    await create("hi")  # error: Argument missing for parameter "body"
    await create("hi", "ho")  # error: "Literal['hi']" is not assignable to "Context"
    await count(ctx, "5")  # error: "Literal['5']" is not assignable to "int"
    await follow(ctx, 3)  # error: is not awaitable
    follow(ctx)  # error: Argument missing for parameter "to"
    (await create(ctx, "hi")).upper()  # error: Cannot access attribute "upper"
    count(ctx).upper()  # error: Cannot access attribute "upper"


async def through_the_context(ctx: Context) -> None:
    """`ctx.call(action, …)` takes what the action takes and gives what it gives."""
    assert_type(await ctx.call(create, "hi"), int)
    assert_type(await ctx.call(create, body="hi", loud=True), int)
    assert_type(await ctx.call(count), str)
    await ctx.call(create)  # error: Argument missing for parameter "body"
    await ctx.call(create, 5)  # error: "Literal[5]" is not assignable to "str"
    await ctx.call(create, "hi", loud="yes")  # error: "Literal['yes']" is not assignable to "bool"
    await ctx.call(create, text="hi")  # error: No parameter named "text"
    await ctx.call(count, 5, 6)  # error: Expected 1 positional argument
    await ctx.call(follow, to=3)  # error: reportArgumentType
    (await ctx.call(create, "hi")).upper()  # error: Cannot access attribute "upper"
    takes_text(await ctx.call(create, "hi"))  # error: "int" is not assignable to "str"


async def streams(ctx: Context) -> None:
    """`ctx.stream(action, …)` is for streams, and gives their items."""
    assert_type(ctx.stream(follow, 3), AsyncIterator[bytes])
    async for item in ctx.stream(follow, to=3):
        assert_type(item, bytes)
    ctx.stream(follow)  # error: Argument missing for parameter "to"
    ctx.stream(follow, "3")  # error: "Literal['3']" is not assignable to "int"
    ctx.stream(follow, upto=3)  # error: No parameter named "upto"
    ctx.stream(create, "hi")  # error: reportArgumentType
    async for wrong in ctx.stream(follow, 3):
        takes_text(wrong)  # error: "bytes" is not assignable to "str"


def values() -> None:
    """`action.bind(…)` is the call as a value."""
    assert_type(create.bind("hi"), Call[int])
    assert_type(count.bind(), Call[str])
    assert_type(follow.bind(3), Call[bytes])
    create.bind()  # error: Argument missing for parameter "body"
    create.bind(5)  # error: "Literal[5]" is not assignable to "str"
    create.bind("hi", quiet=True)  # error: No parameter named "quiet"
    follow.bind("3")  # error: "Literal['3']" is not assignable to "int"
    takes_call(create.bind("hi"))  # error: reportArgumentType
    takes_call(count.bind())
