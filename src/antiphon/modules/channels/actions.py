"""What is asked about channels beside watching them: who is there."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antiphon import Channels, Context, Forbidden, Member, NotFound, Struct, action, allow, get, raises, signed_in


class Members(Struct):
    """Who is on a topic, those who came first standing first. `members` may be fewer than `count`: 500 at most."""

    members: list[Member]
    count: int


@action("channel:members", get("/channel/{channel}/members"), allow(signed_in), raises(Forbidden, NotFound))
async def list_members(
    ctx: Context, channel: Annotated[str, Meta(description="the name of a topic, such as `messages`")]
) -> Members:
    """Say who is on a topic, for those who may watch it."""
    members, count = await ctx.get(Channels).members(ctx, channel)
    return Members(members, count)
