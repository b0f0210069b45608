"""The public board, live: what is shown when a message was posted, and to whom."""

from __future__ import annotations

from antiphon import Context, Struct, channel, require, signed_in
from olympus.messages.messages import Message


class MessagePosted(Struct):
    """A message is on the board."""

    message: Message


@channel("messages", MessagePosted, presence=True, replay=300)
async def board(ctx: Context) -> None:
    """Whoever is signed in sees what is posted, and who else is watching."""
    await require(signed_in, ctx)
