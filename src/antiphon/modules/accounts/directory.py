"""Finds users and tenants outside of any call: for `--as` and `--tenant`, and the names of who is there."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import select

from antiphon import Caller, Clock, Database, Directory, Id, MemberNames, TenantDirectory, Unavailable, service
from antiphon.modules.accounts.tables import tenants
from antiphon.modules.accounts.users import Users


class AccountDirectory(Directory, TenantDirectory):
    """The users, by id or email, and the tenants, by id or name."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find_caller(self, who: str) -> Caller | None:
        """The user with this id or email, with their roles; None for nobody and for a disabled account."""
        async with self._database.transaction() as work:
            users = Users(
                work.unscoped("a user is named by id or email, whose tenant is not known yet"), self._clock.now()
            )
            account = await users.find(who) or await users.find_by_email(who)
            if account is None or not account.may_call:
                return None
            return await users.caller(account)

    async def find_tenant(self, which: str) -> str | None:
        """The id of the tenant with this id or name. A disabled one is found: its data is still to be looked after."""
        async with self._database.transaction() as work:
            if Id.fits(which) and await work.scalar(select(tenants.c.id).where(tenants.c.id == which)):
                return which
            return await work.scalar(select(tenants.c.id).where(tenants.c.name == which))


@service
async def directory(database: Database, clock: Clock) -> AsyncIterator[AccountDirectory]:
    """Who is who."""
    yield AccountDirectory(database, clock)


class AccountNames(MemberNames):
    """The names of users, as they are when somebody begins to watch."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def name_of(self, user_id: str) -> str:
        """The user's name; an empty text for nobody, and while the database is away: watching needs none."""
        try:
            async with self._database.transaction() as work:
                account = await Users(work.unscoped("the name of who is there"), self._clock.now()).find(user_id)
        except Unavailable:
            return ""
        return account.name if account is not None else ""


@service
async def member_names(database: Database, clock: Clock) -> AsyncIterator[AccountNames]:
    """Who is there, by name."""
    yield AccountNames(database, clock)
