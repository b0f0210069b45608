"""Tenants: made, listed, disabled and enabled by the platform's own people, who also say to which a user belongs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from sqlalchemy import func, insert, select, update

from antiphon import (
    Conflict,
    Context,
    Fault,
    Id,
    InvalidInput,
    NotFound,
    Struct,
    Work,
    action,
    admin,
    allow,
    get,
    post,
    put,
    raises,
    scoped,
)
from antiphon.modules.accounts.disabling import end_everything
from antiphon.modules.accounts.tables import DEFAULT_TENANT_ID, tenants
from antiphon.modules.accounts.tables import users as users_table
from antiphon.modules.accounts.users import users_anywhere

type TenantName = Annotated[
    str, Meta(pattern="^[a-z][a-z0-9-]{1,63}$", description="a tenant: lower-case letters, digits and dashes")
]


class Tenant(Struct):
    """A tenant. While it is disabled none of its users can sign in."""

    id: str
    name: str
    created_at: datetime
    disabled_at: datetime | None = None


class TenantPage(Struct):
    """Tenants, by name."""

    tenants: list[Tenant]
    total: int


class Membership(Struct):
    """To which tenant a user belongs."""

    user_id: str
    tenant_id: str


class Tenants:
    """The tenants, within one call's transaction. The table itself belongs to no tenant."""

    def __init__(self, work: Work, now: datetime) -> None:
        self._work = work
        self._now = now

    async def add(self, tenant_id: str, name: str) -> Tenant:
        """Keep a new tenant. Raises Taken, naming the input, when the name is another's."""
        values = {"id": tenant_id, "name": name, "created_at": self._now, "updated_at": self._now}
        await self._work.execute(insert(tenants).values(values))
        return Tenant(tenant_id, name, self._now)

    async def require(self, tenant_id: str) -> Tenant:
        """The tenant with this id. Raises NotFound."""
        if Id.fits(tenant_id):
            row = (await self._work.execute(_shown.where(tenants.c.id == tenant_id))).one_or_none()
            if row is not None:
                return Tenant(*row)
        raise NotFound("There is no such tenant.")

    async def page(self, number: int, limit: int) -> list[Tenant]:
        """One page, by name."""
        found = await self._work.execute(_shown.order_by(tenants.c.name).limit(limit).offset((number - 1) * limit))
        return [Tenant(*row) for row in found]

    async def count(self) -> int:
        """How many there are."""
        return await self._work.scalar(select(func.count()).select_from(tenants)) or 0

    async def disable(self, tenant: Tenant, *, disabled: bool) -> Tenant:
        """Let nobody of the tenant in, or let them in again."""
        at = (tenant.disabled_at or self._now) if disabled else None
        changed = update(tenants).where(tenants.c.id == tenant.id).values(disabled_at=at, updated_at=self._now)
        await self._work.execute(changed)
        return Tenant(tenant.id, tenant.name, tenant.created_at, at)


_shown = select(tenants.c.id, tenants.c.name, tenants.c.created_at, tenants.c.disabled_at)


@scoped
def tenants_of_call(ctx: Context, work: Work) -> Tenants:
    """The tenants, within the call's transaction."""
    return Tenants(work, ctx.now)


@action("tenant:create", post("/v1/tenants", status=201, location="/v1/tenants/{id}"), allow(admin), raises(Conflict))
async def create_tenant(ctx: Context, name: TenantName) -> Tenant:
    """Make a tenant. Nobody belongs to it yet."""
    return await ctx.get(Tenants).add(ctx.new_id(), name)


@action("tenants:list", get("/v1/tenants"), allow(admin))
async def list_tenants(
    ctx: Context,
    page: Annotated[int, Meta(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, Meta(ge=1, le=100)] = 50,
) -> TenantPage:
    """List the tenants, by name."""
    found = ctx.get(Tenants)
    return TenantPage(await found.page(page, limit), await found.count())


@action("tenant:view", get("/v1/tenants/{tenant_id}"), allow(admin), raises(NotFound))
async def view_tenant(ctx: Context, tenant_id: str) -> Tenant:
    """Look at a tenant."""
    return await ctx.get(Tenants).require(tenant_id)


@action("tenant:disable", post("/v1/tenants/{tenant_id}/disable"), allow(admin), raises(NotFound))
async def disable_tenant(ctx: Context, tenant_id: str) -> Tenant:
    """Let nobody of a tenant in: its users are signed out, and cannot sign in. Its data stays."""
    found = ctx.get(Tenants)
    tenant = await found.require(tenant_id)
    if tenant.id in (DEFAULT_TENANT_ID, ctx.caller.tenant_id):
        raise InvalidInput(fields=[Fault("tenantId", "is the default tenant or your own, which is never disabled")])
    tenant = await found.disable(tenant, disabled=True)
    work = ctx.get(Work)
    members = select(users_table.c.id).where(users_table.c.tenant_id == tenant.id)
    everybody = await work.unscoped("the users of a tenant that is disabled are signed out").scalars(members)
    await work.commit()
    for user_id in everybody:
        await end_everything(ctx, user_id)
    return tenant


@action("tenant:enable", post("/v1/tenants/{tenant_id}/enable"), allow(admin), raises(NotFound))
async def enable_tenant(ctx: Context, tenant_id: str) -> Tenant:
    """Let the users of a tenant in again."""
    found = ctx.get(Tenants)
    return await found.disable(await found.require(tenant_id), disabled=False)


@action("tenant:join", put("/v1/users/{user_id}/tenant"), allow(admin), raises(NotFound, Conflict))
async def join_tenant(ctx: Context, user_id: str, tenant_id: str) -> Membership:
    """Put a user into a tenant: they are signed out, and lose their roles. What they made stays where it is."""
    tenant = await ctx.get(Tenants).require(tenant_id)
    users = users_anywhere(ctx, "a user goes from one tenant to another")
    account = await users.take_turns(user_id)
    if account.tenant_id != tenant.id:
        await users.move(account, tenant.id)
        await users.done()
    await end_everything(ctx, account.id)
    return Membership(account.id, tenant.id)
