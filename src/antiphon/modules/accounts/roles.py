"""Who holds which role: granted and revoked by admins, and by the system at the command line."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from antiphon import Context, NotFound, Sessions, Struct, action, admin, allow, raises
from antiphon.modules.accounts.users import Users

type RoleName = Annotated[
    str, Meta(pattern="^[a-z][a-z0-9-]{0,63}$", description="a role: lower-case letters, digits and dashes")
]


class UserRoles(Struct):
    """The roles a user holds, in alphabetical order."""

    user_id: str
    roles: list[str]


@action("role:grant", allow(admin), raises(NotFound))
async def grant_role(ctx: Context, user_id: str, role: RoleName) -> UserRoles:
    """Give a user a role. The user's sessions end, so that the next one has the new rights."""
    users = ctx.get(Users)
    account = await users.require(user_id)
    changed = await users.grant(account.id, role)
    return await _changed(ctx, users, account.id, changed=changed)


@action("role:revoke", allow(admin), raises(NotFound))
async def revoke_role(ctx: Context, user_id: str, role: RoleName) -> UserRoles:
    """Take a role from a user. The user's sessions end, so that none has the old rights."""
    users = ctx.get(Users)
    account = await users.require(user_id)
    changed = await users.revoke(account.id, role)
    return await _changed(ctx, users, account.id, changed=changed)


async def _changed(ctx: Context, users: Users, user_id: str, *, changed: bool) -> UserRoles:
    roles = sorted(await users.roles(user_id))
    if changed:
        await users.done()
        await ctx.get(Sessions).end_all(ctx, user_id)
    return UserRoles(user_id, roles)
