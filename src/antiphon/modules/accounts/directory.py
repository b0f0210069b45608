"""Finds users for `--as`, outside of any call."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon import Caller, Clock, Database, Directory, service
from antiphon.modules.accounts.users import Users


class AccountDirectory(Directory):
    """The users, by id or email."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find_caller(self, who: str) -> Caller | None:
        """The user with this id or email, with their roles; None for nobody and for a disabled account."""
        async with self._database.transaction() as work:
            users = Users(work, self._clock.now())
            account = await users.find(who) or await users.find_by_email(who)
            if account is None or account.disabled_at is not None:
                return None
            return await users.caller(account)


@service
async def directory(database: Database, clock: Clock) -> AsyncIterator[AccountDirectory]:
    """Who is who."""
    yield AccountDirectory(database, clock)
