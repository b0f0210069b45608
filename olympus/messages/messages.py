"""Messages as readers see them, and the repository that keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, case, delete, func, insert, select

from antiphon import Context, Id, NotFound, Struct, Work, scoped
from antiphon.modules.accounts import users_table as users
from olympus.messages.tables import messages

OLYMPUS_ID = "00000000-0000-8000-8000-000000000001"
"""The user in whose name Olympus speaks. A migration makes it, without a password: nobody signs in as it."""

GONE = "somebody who is gone"
"""What the author of a message is called who belongs to another tenant by now."""


class Message(Struct):
    """A public message and the name of who wrote it."""

    id: str
    body: str
    user_id: str
    user_name: str
    created_at: datetime
    updated_at: datetime


_shown = select(
    messages.c.id,
    messages.c.body,
    messages.c.user_id,
    func.coalesce(users.c.name, case((messages.c.user_id == OLYMPUS_ID, "Olympus"), else_=GONE)).label("user_name"),
    messages.c.created_at,
    messages.c.updated_at,
).outerjoin(users, users.c.id == messages.c.user_id)
# A message stays where it was written: its author may belong to another tenant by now, whose names are not told here,
# and the built-in user writes in every tenant while it belongs to one.


class Messages:
    """The public messages within one call's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def add(self, message_id: str, body: str, *, author: str, at: datetime) -> Message:
        """Keep a new message."""
        values = {"id": message_id, "user_id": author, "body": body, "created_at": at, "updated_at": at}
        await self._work.execute(insert(messages).values(values))
        return await self.require(message_id)

    async def require(self, message_id: str) -> Message:
        """The message with this id. Raises NotFound."""
        if Id.fits(message_id):
            row = (await self._work.execute(_shown.where(messages.c.id == message_id))).one_or_none()
            if row is not None:
                return _message(row)
        raise NotFound("There is no such message.")

    async def page(self, number: int, limit: int) -> list[Message]:
        """One page, the newest first."""
        newest = _shown.order_by(messages.c.created_at.desc(), messages.c.id.desc())
        found = await self._work.execute(newest.limit(limit).offset((number - 1) * limit))
        return [_message(row) for row in found]

    async def count(self) -> int:
        """How many there are."""
        return await self._work.scalar(select(func.count()).select_from(messages)) or 0

    async def remove_older(self, than: datetime) -> int:
        """Delete what was posted before; gives how many."""
        return (await self._work.execute(delete(messages).where(messages.c.created_at < than))).rowcount


@scoped
def messages_of_call(ctx: Context, work: Work) -> Messages:
    """The messages, within the call's transaction."""
    return Messages(work)


def messages_anywhere(ctx: Context, reason: str) -> Messages:
    """The messages of every tenant. The reason is audited."""
    return Messages(ctx.get(Work).unscoped(reason))


def _message(row: Row[*tuple[Any, ...]]) -> Message:
    return Message(**row._mapping)  # pyright: ignore[reportPrivateUsage]  # the public name of a row's mapping
