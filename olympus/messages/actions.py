"""What is done with public messages: posted, listed, looked at, cleaned up, and said by Olympus itself."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Annotated

from msgspec import Meta

from antiphon import (
    Audit,
    Context,
    NotFound,
    Position,
    Struct,
    action,
    admin,
    allow,
    every,
    get,
    limit,
    put,
    raises,
    signed_in,
)
from antiphon.modules.accounts import DEFAULT_TENANT_ID
from olympus.messages.board import MessagePosted, board
from olympus.messages.messages import OLYMPUS_ID, Message, Messages, messages_anywhere

type Body = Annotated[str, Meta(min_length=1, max_length=1000)]


class Pagination(Struct):
    """Which page this is, of how many."""

    page: int
    limit: int
    total: int
    pages: int


class MessagePage(Struct):
    """Messages, the newest first. Whoever watches `messages` from `position` on misses none that is not among them."""

    messages: list[Message]
    pagination: Pagination
    position: Position


class Cleaned(Struct):
    """How many messages went."""

    messages_deleted: int


@action("message:create", put("/message", status=201, location="/message/{id}"), allow(signed_in), limit(30, per="1m"))
async def create_message(ctx: Context, body: Body) -> Message:
    """Post a message and show it to everybody who watches. What the system posts is by Olympus."""
    _at_home(ctx)
    author = ctx.caller.id or OLYMPUS_ID
    message = await ctx.get(Messages).add(ctx.new_id(), body, author=author, at=ctx.now)
    await board().publish(ctx, MessagePosted(message))
    return message


@action("messages:list", get("/messages/list"), allow(signed_in))
async def list_messages(
    ctx: Context,
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, Meta(ge=1, le=100)] = 10,
) -> MessagePage:
    """List the messages, the newest first."""
    _at_home(ctx)
    # Before the rows, or a message posted between the two would be in neither.
    position = await board().position(ctx)
    messages = ctx.get(Messages)
    total = await messages.count()
    shown = await messages.page(page, limit)
    return MessagePage(shown, Pagination(page, limit, total, ceil(total / limit)), position)


@action("message:view", get("/message/{message_id}"), allow(signed_in), raises(NotFound))
async def view_message(ctx: Context, message_id: str) -> Message:
    """Look at one message."""
    _at_home(ctx)
    return await ctx.get(Messages).require(message_id)


@action("messages:cleanup", every("1h"), allow(admin))
async def clean_up_messages(ctx: Context, max_age_hours: Annotated[int, Meta(ge=1, le=1_000_000)] = 24) -> Cleaned:
    """Delete the messages that are older than `maxAgeHours`: an admin those of their tenant, the system all."""
    messages = ctx.get(Messages) if ctx.caller.tenant_id else messages_anywhere(ctx, "old messages of every tenant go")
    deleted = await messages.remove_older(ctx.now - timedelta(hours=max_age_hours))
    if deleted:
        ctx.get(Audit).record(f"{deleted} messages", outcome="purged")
    return Cleaned(deleted)


@action("messages:hello", every("1m"), allow(admin))
async def say_hello(ctx: Context) -> Message:
    """Post a greeting with the time, in the name of Olympus."""
    _at_home(ctx)
    now = ctx.now.replace(microsecond=0)
    body = f"Hello! The current time is {now.isoformat().replace('+00:00', 'Z')}."
    message = await ctx.get(Messages).add(ctx.new_id(), body, author=OLYMPUS_ID, at=ctx.now)
    await board().publish(ctx, MessagePosted(message))
    return message


def _at_home(ctx: Context) -> None:
    """The system is at home in the default tenant, unless it has said another."""
    if not ctx.caller.tenant_id:
        ctx.as_tenant(DEFAULT_TENANT_ID)
