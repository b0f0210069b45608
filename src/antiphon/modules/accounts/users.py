"""Users as the rest sees them, and the repository that keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, update

from antiphon import Caller, Context, Id, NotFound, Struct, Work, scoped
from antiphon.modules.accounts.tables import user_roles, users


class PublicUser(Struct):
    """A user, as everybody signed in may see one. `email` is there only for oneself."""

    id: str
    name: str
    created_at: datetime
    updated_at: datetime
    email: str | UnsetType = UNSET


class Account(Struct):
    """A user as the accounts themselves see one. It never leaves them."""

    id: str
    name: str
    email: str
    password_hash: str
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime

    def shown(self, *, to_oneself: bool) -> PublicUser:
        """What may be seen of it."""
        email = self.email if to_oneself else UNSET
        return PublicUser(self.id, self.name, self.created_at, self.updated_at, email)

    @property
    def may_sign_in(self) -> bool:
        """Whether there is a password, and nobody has disabled the account."""
        return bool(self.password_hash) and self.disabled_at is None


class Users:
    """The accounts within one call's transaction."""

    def __init__(self, work: Work, now: datetime) -> None:
        self._work = work
        self._now = now

    async def add(self, user_id: str, name: str, email: str, password_hash: str) -> Account:
        """Keep a new account. Raises Taken, naming the input, when its name or email is another's."""
        account = Account(user_id, name, email.lower(), password_hash, None, self._now, self._now)
        await self._work.execute(
            insert(users).values(**{key: getattr(account, key) for key in account.__struct_fields__})
        )
        return account

    async def find(self, user_id: str) -> Account | None:
        """The account with this id, or None; text that is no id is nobody's."""
        if not Id.fits(user_id):
            return None
        return _account((await self._work.execute(select(users).where(users.c.id == user_id))).one_or_none())

    async def find_by_email(self, email: str) -> Account | None:
        """The account with this email, in whatever case, or None."""
        return _account((await self._work.execute(select(users).where(users.c.email == email.lower()))).one_or_none())

    async def require(self, user_id: str) -> Account:
        """The account with this id. Raises NotFound."""
        account = await self.find(user_id)
        if account is None:
            raise NotFound("There is no such user.")
        return account

    async def change(self, user_id: str, changes: dict[str, str]) -> Account:
        """Change columns of an account. Raises Taken, naming the input, or NotFound."""
        await self._work.execute(update(users).where(users.c.id == user_id).values(**changes, updated_at=self._now))
        return await self.require(user_id)

    async def rehash(self, user_id: str, password_hash: str) -> None:
        """Keep the same password under other settings: nothing that anybody sees has changed."""
        await self._work.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    async def roles(self, user_id: str) -> frozenset[str]:
        """The roles a user holds."""
        return frozenset(await self._work.scalars(select(user_roles.c.role).where(user_roles.c.user_id == user_id)))

    async def grant(self, user_id: str, role: str) -> bool:
        """Give a role; False when the user holds it already."""
        if role in await self.roles(user_id):
            return False
        await self._work.execute(insert(user_roles).values(user_id=user_id, role=role, created_at=self._now))
        return True

    async def revoke(self, user_id: str, role: str) -> bool:
        """Take a role away; False when the user does not hold it."""
        found = delete(user_roles).where(user_roles.c.user_id == user_id, user_roles.c.role == role)
        return (await self._work.execute(found)).rowcount > 0

    async def caller(self, account: Account) -> Caller:
        """The account as one who calls, with the roles of this moment."""
        return Caller(kind="user", id=account.id, roles=await self.roles(account.id))

    async def done(self) -> None:
        """End the transaction here: what follows takes its time and needs no database."""
        await self._work.commit()


@scoped
def users_of_call(ctx: Context, work: Work) -> Users:
    """The accounts, within the call's transaction."""
    return Users(work, ctx.now)


def _account(row: Row[*tuple[Any, ...]] | None) -> Account | None:
    return None if row is None else Account(**row._mapping)  # pyright: ignore[reportPrivateUsage]  # the public name of a row's mapping
