"""Users as the rest sees them, and the repository that keeps them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec import UNSET, UnsetType
from sqlalchemy import Row, delete, insert, select, update

from antiphon import Caller, Context, Id, NotFound, Struct, Work, scoped
from antiphon.modules.accounts.tables import tenants, user_roles, users


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
    tenant_id: str
    name: str
    email: str
    password_hash: str
    disabled_at: datetime | None
    created_at: datetime
    updated_at: datetime
    roles_version: int = 0
    tenant_disabled_at: datetime | None = None

    def shown(self, *, to_oneself: bool) -> PublicUser:
        """What may be seen of it."""
        email = self.email if to_oneself else UNSET
        return PublicUser(self.id, self.name, self.created_at, self.updated_at, email)

    @property
    def may_sign_in(self) -> bool:
        """Whether there is a password, and nobody has disabled the account."""
        return bool(self.password_hash) and self.may_call

    @property
    def may_call(self) -> bool:
        """Whether nobody has disabled the account or its tenant."""
        return self.disabled_at is None and self.tenant_disabled_at is None


_SET_BY_DATABASE = ("roles_version", "tenant_disabled_at")
_accounts = select(users, tenants.c.disabled_at.label("tenant_disabled_at")).join(
    tenants, tenants.c.id == users.c.tenant_id
)


class Users:
    """The accounts within one call's transaction."""

    def __init__(self, work: Work, now: datetime) -> None:
        self._work = work
        self._now = now

    async def add(self, user_id: str, tenant_id: str, name: str, email: str, password_hash: str) -> Account:
        """Keep a new account. Raises Taken, naming the input, when its name or email is another's."""
        account = Account(user_id, tenant_id, name, email.lower(), password_hash, None, self._now, self._now)
        kept = [name for name in account.__struct_fields__ if name not in _SET_BY_DATABASE]
        await self._work.execute(insert(users).values(**{name: getattr(account, name) for name in kept}))
        return account

    async def find(self, user_id: str) -> Account | None:
        """The account with this id, or None; text that is no id is nobody's."""
        if not Id.fits(user_id):
            return None
        return _account((await self._work.execute(_accounts.where(users.c.id == user_id))).one_or_none())

    async def find_by_email(self, email: str) -> Account | None:
        """The account with this email, in whatever case, or None."""
        return _account((await self._work.execute(_accounts.where(users.c.email == email.lower()))).one_or_none())

    async def require(self, user_id: str) -> Account:
        """The account with this id. Raises NotFound."""
        account = await self.find(user_id)
        if account is None:
            raise NotFound("There is no such user.")
        return account

    async def change(self, user_id: str, changes: dict[str, Any]) -> Account:
        """Change columns of an account. Raises Taken, naming the input, or NotFound."""
        await self._work.execute(update(users).where(users.c.id == user_id).values(**changes, updated_at=self._now))
        return await self.require(user_id)

    async def rehash(self, user_id: str, password_hash: str) -> None:
        """Keep the same password under other settings: nothing that anybody sees has changed."""
        await self._work.execute(update(users).where(users.c.id == user_id).values(password_hash=password_hash))

    async def roles(self, user_id: str) -> frozenset[str]:
        """The roles a user holds."""
        return frozenset(await self._work.scalars(select(user_roles.c.role).where(user_roles.c.user_id == user_id)))

    async def take_turns(self, user_id: str) -> Account:
        """The account, whose roles nobody else changes until this call has ended. Raises NotFound."""
        # Of two changes at once, each would otherwise count from the same version and know of its own role alone.
        if Id.fits(user_id):
            await self._work.execute(select(users.c.id).where(users.c.id == user_id).with_for_update())
        return await self.require(user_id)

    async def grant(self, account: Account, role: str) -> bool:
        """Give a role; False when the user holds it already."""
        if role in await self.roles(account.id):
            return False
        values = {"user_id": account.id, "tenant_id": account.tenant_id, "role": role, "created_at": self._now}
        await self._work.execute(insert(user_roles).values(values))
        await self._count_change(account)
        return True

    async def revoke(self, account: Account, role: str) -> bool:
        """Take a role away; False when the user does not hold it."""
        found = delete(user_roles).where(user_roles.c.user_id == account.id, user_roles.c.role == role)
        if not (await self._work.execute(found)).rowcount:
            return False
        await self._count_change(account)
        return True

    async def move(self, account: Account, tenant_id: str) -> None:
        """Put an account into another tenant, without the roles that it had in the one before."""
        await self._work.execute(delete(user_roles).where(user_roles.c.user_id == account.id))
        await self._work.execute(update(users).where(users.c.id == account.id).values(tenant_id=tenant_id))
        await self._count_change(account)

    async def _count_change(self, account: Account) -> None:
        counted = update(users).where(users.c.id == account.id).values(roles_version=users.c.roles_version + 1)
        await self._work.execute(counted)

    async def caller(self, account: Account) -> Caller:
        """The account as one who calls, with the roles of this moment."""
        return Caller(
            kind="user",
            id=account.id,
            tenant_id=account.tenant_id,
            roles=await self.roles(account.id),
            roles_version=account.roles_version,
        )

    async def done(self) -> None:
        """End the transaction here: what follows takes its time and needs no database."""
        await self._work.commit()


@scoped
def users_of_call(ctx: Context, work: Work) -> Users:
    """The accounts, within the call's transaction."""
    return Users(work, ctx.now)


def _account(row: Row[*tuple[Any, ...]] | None) -> Account | None:
    return None if row is None else Account(**row._mapping)  # pyright: ignore[reportPrivateUsage]  # the public name of a row's mapping


async def reach_user(ctx: Context, user_id: str) -> Account:
    """The account of a user whom the caller may reach: the scope of the call filters the rows. Raises NotFound.

    From here on the call works within that user's tenant. The system reaches everybody, as the scope `any` does.
    """
    if ctx.caller.kind == "system":
        users = users_anywhere(ctx, f"{ctx.action_name} for a user of any tenant")
    else:
        users = ctx.get(Users)
    account = await users.require(user_id)
    ctx.as_tenant(account.tenant_id)
    return account


def users_anywhere(ctx: Context, reason: str) -> Users:
    """The accounts of every tenant, for the few actions that have to look beyond one. The reason is audited."""
    return Users(ctx.get(Work).unscoped(reason), ctx.now)
