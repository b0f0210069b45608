"""A topic takes the parameters of its door and the events of its channel, and nothing else."""

from __future__ import annotations

from typing import assert_type

from antiphon.core.channel import Channel, Position, Topic, channel
from antiphon.core.context import Context
from antiphon.core.inputs.kinds import Struct


class Posted(Struct):
    """One event."""

    body: str


class Removed(Struct):
    """Another."""

    id: str


class Typing(Struct):
    """One that is never kept."""

    user_id: str


class Stranger(Struct):
    """An event of no channel here."""


@channel("messages", Posted, Removed, ephemeral=(Typing,), presence=True, replay=300)
async def board(ctx: Context) -> None: ...


@channel("room:{room_id}", Posted)
async def room(ctx: Context, room_id: int) -> None: ...


@channel("wrong", Posted)  # error: reportArgumentType
def no_door(ctx: Context) -> None: ...


@channel("wrong", Posted)  # error: reportArgumentType
async def no_context(room_id: int) -> None: ...


async def publishing(ctx: Context) -> None:
    """Only the channel's own events are taken."""
    await board().publish(ctx, Posted("hi"))
    await board().publish(ctx, Removed("5"))
    await board().publish(ctx, Typing("ada"))
    await room(5).publish(ctx, Posted("hi"))
    await board().publish(ctx, Stranger())  # error: "Stranger" is not assignable to type
    await room(5).publish(ctx, Removed("5"))  # error: "Removed" is not assignable to "Posted"
    await board().publish(ctx, "hi")  # error: reportArgumentType
    await board().publish(Posted("hi"))  # error: Argument missing for parameter "event"


async def topics(ctx: Context) -> None:
    """A topic takes the parameters of its door."""
    assert_type(room(room_id=5), Topic[Posted])
    assert_type(await board().position(ctx), Position)
    takes_room(room)
    takes_room(board)  # error: reportArgumentType
    room()  # error: Argument missing for parameter "room_id"
    room("5")  # error: "Literal['5']" is not assignable to "int"
    room(number=5)  # error: No parameter named "number"
    board(5)  # error: Expected 0 positional arguments


def takes_room(channel: Channel[[int], Posted]) -> None: ...
