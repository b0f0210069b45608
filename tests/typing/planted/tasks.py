"""Calls that run later take what their action takes, and traits of tasks say only what there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import assert_type

from antiphon import (
    Batch,
    Call,
    Context,
    Job,
    Outcomes,
    action,
    allow,
    anyone,
    at_most,
    cron,
    every,
    keep,
    only,
    ordered,
    queue,
    retry,
    unique,
)


@action(
    "photo:resize",
    queue("photos", priority="low", slots=4),
    unique("photo:{file_id}", window="1h"),
    ordered("photo:{file_id}", on_dead="block"),
    at_most(2, "tenant:{caller.tenant_id}"),
    keep(timedelta(days=7)),
    retry(attempts=8),
    only("worker"),
    allow(anyone),
)
async def resize(ctx: Context, file_id: str, width: int = 100) -> bytes:
    """An `async def`."""
    return b""


@action("album:publish", every("1h", offset="5m", at_start=True, missed="all", overlap="queue"), allow(anyone))
def publish(ctx: Context, album_id: int = 0) -> None:
    """A plain `def`."""


@action("log:follow", cron("0 3 * * *", zone="Europe/Athens", missed="skip", overlap="allow"), allow(anyone))
async def follow(ctx: Context, lines: int = 10) -> AsyncIterator[str]:
    """An async generator."""
    yield ""


async def later(ctx: Context) -> None:
    """`ctx.later(action, …)` takes what the action takes, of whatever kind it is, and gives a Job."""
    assert_type(await ctx.later(resize, "a"), Job)
    assert_type(await ctx.later(resize, file_id="a", width=3), Job)
    assert_type(await ctx.later(publish), Job)
    assert_type(await ctx.later(follow, 3), Job)
    await ctx.later(resize)  # error: Argument missing for parameter "file_id"
    await ctx.later(resize, 5)  # error: "Literal[5]" is not assignable to "str"
    await ctx.later(resize, "a", width="3")  # error: "Literal['3']" is not assignable to "int"
    await ctx.later(resize, "a", height=3)  # error: No parameter named "height"
    await ctx.later(follow, "3")  # error: "Literal['3']" is not assignable to "int"
    await ctx.later(resize, "a", after="5m")  # error: No parameter named "after"
    await ctx.later("photo:resize", "a")  # error: reportArgumentType
    _ = (await ctx.later(resize, "a")).result  # error: Cannot access attribute "result"


async def later_on_terms(ctx: Context) -> None:
    """`ctx.later(call, …)` takes when, under which keys and how urgently."""
    call = resize.bind("a")
    assert_type(call, Call[bytes])
    assert_type(await ctx.later(call), Job)
    await ctx.later(call, after="5m", unique="a", key="room:1", priority="high")
    await ctx.later(call, after=timedelta(minutes=5))
    await ctx.later(call, at=datetime(2026, 1, 1, tzinfo=UTC))
    await ctx.later(call, after=5)  # error: "Literal[5]" is not assignable to
    await ctx.later(call, at="2026-01-01")  # error: "Literal['2026-01-01']" is not assignable to
    await ctx.later(call, priority="urgent")  # error: "Literal['urgent']" is not assignable to
    await ctx.later(call, width=3)  # error: reportCallIssue
    resize.bind()  # error: Argument missing for parameter "file_id"
    resize.bind("a", width="3")  # error: "Literal['3']" is not assignable to "int"


async def fan_out(ctx: Context) -> None:
    """`ctx.fan_out(calls, …)` takes calls, alike or not, and one more for the end."""
    assert_type(await ctx.fan_out([resize.bind(name) for name in "abc"]), Batch)
    await ctx.fan_out([resize.bind("a"), publish.bind()], then=publish.bind(1), fail_fast=True)
    await ctx.fan_out([resize])  # error: reportArgumentType
    await ctx.fan_out([resize.bind(5)])  # error: "Literal[5]" is not assignable to "str"
    await ctx.fan_out(resize.bind("a"))  # error: reportArgumentType
    await ctx.fan_out([resize.bind("a")], then=publish)  # error: reportArgumentType
    await ctx.fan_out([resize.bind("a")], fail_fast="yes")  # error: reportArgumentType


async def inside(ctx: Context) -> None:
    """What a job knows of itself may be missing: a call need not be a job."""
    assert_type(ctx.idempotency_key, str)
    _ = ctx.job.id  # error: "id" is not a known attribute of "None"
    if ctx.job is not None:
        assert_type(ctx.job.batch, Outcomes | None)
    await ctx.progress(0.5, "half")
    await ctx.progress("half")  # error: "Literal['half']" is not assignable to "float"


queue("photos", priority="urgent")  # error: "Literal['urgent']" is not assignable to
queue("photos", "low")  # error: Expected 1 positional argument
queue(priority="low")  # error: Argument missing for parameter "name"
unique(window="1h")  # error: Argument missing for parameter "key"
ordered("a", on_dead="stop")  # error: "Literal['stop']" is not assignable to
at_most("a", 2)  # error: "Literal['a']" is not assignable to "int"
keep(7)  # error: "Literal[7]" is not assignable to
every(60)  # error: "Literal[60]" is not assignable to
every("1h", missed="never")  # error: "Literal['never']" is not assignable to
every("1h", overlap=True)  # error: reportArgumentType
cron("0 3 * * *", "Europe/Athens")  # error: Expected 1 positional argument
cron("0 3 * * *", offset="5m")  # error: No parameter named "offset"
