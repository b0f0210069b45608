"""Who holds which role: listed, granted and revoked, by those who may and by the system at the command line."""

# What a change of roles has to reach, in this order:
#
#     the database       the role, and one more in `roles_version`, in one transaction
#     the sessions       their roles of now, under that version: the user's next call has them
#     the tokens         those of an older version hold no longer; refreshing gives the next
#     sockets, streams   asked again, on every node (`Revoked("rights")`)
#
# A right that is taken is taken from sessions and tokens before the commit as well: when the store is away the call
# fails and nothing has changed, and nobody keeps a right that the database has taken. A right that is given is given in
# the database first. All of it is repeated by a repeated call, whether or not the database had to change.

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from antiphon import (
    Audit,
    Context,
    Explanation,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    Roles,
    Sessions,
    Struct,
    TokenEnds,
    action,
    admin,
    allow,
    can,
    explain,
    get,
    post,
    raises,
)
from antiphon.modules.accounts.users import Account, Users, reach_user, users_anywhere

type RoleName = Annotated[
    str, Meta(pattern="^[a-z][a-z0-9-]{0,63}$", description="a role: lower-case letters, digits and dashes")
]


class UserRoles(Struct):
    """The roles a user holds, in alphabetical order."""

    user_id: str
    roles: list[str]


class RoleShown(Struct):
    """A role: the roles it includes, and the permissions that it has by itself."""

    name: str
    includes: list[str]
    permissions: list[str]


class RoleList(Struct):
    """Every role, in alphabetical order."""

    roles: list[RoleShown]


@action("roles:list", get("/v1/roles"), allow(can("role:view")))
async def list_roles(ctx: Context) -> RoleList:
    """List the roles there are, and what each of them allows."""
    roles = ctx.get(Roles)
    return RoleList(
        [RoleShown(name, sorted(roles.includes(name)), sorted(map(str, roles.own(name)))) for name in roles.names]
    )


@action("role:grant", post("/v1/roles/{role}/grant"), allow(can("role:grant")), raises(NotFound))
async def grant_role(ctx: Context, user_id: str, role: RoleName) -> UserRoles:
    """Give a user a role. Nobody grants what they do not hold. The user's next call has it."""
    _refuse_unheld(ctx, role)
    await reach_user(ctx, user_id)
    users = ctx.get(Users)
    account = await users.take_turns(user_id)
    await users.grant(account, role)
    ctx.get(Audit).record(f"{account.id} {role}", outcome="granted", tenant_id=account.tenant_id)
    return await _changed(ctx, users, account)


@action("role:revoke", post("/v1/roles/{role}/revoke"), allow(can("role:revoke")), raises(NotFound))
async def revoke_role(ctx: Context, user_id: str, role: RoleName) -> UserRoles:
    """Take a role from a user. Nobody takes what they do not hold. The user's next call has it no more."""
    if role in ctx.get(Roles):
        # One that is no longer declared grants nothing, and may be cleared away by whoever may revoke.
        _refuse_unheld(ctx, role)
    await reach_user(ctx, user_id)
    users = ctx.get(Users)
    account = await users.take_turns(user_id)
    if await users.revoke(account, role):
        ctx.get(Audit).record(f"{account.id} {role}", outcome="revoked", tenant_id=account.tenant_id)
        await _tell(ctx, users, await users.require(account.id))
    return await _changed(ctx, users, account)


@action("access:explain", get("/v1/access"), allow(admin), raises(NotFound))
async def explain_access(
    ctx: Context,
    user: Annotated[str, Meta(description="the id or the email of a user")],
    action: Annotated[str, Meta(description="the name of an action")],
) -> Explanation:
    """Show how it is decided whether a user may call an action: each rule, why, and the role that grants it."""
    asked = ctx.runtime.actions.get(action)
    if asked is None:
        raise InvalidInput(fields=[Fault("action", "is no action of this application")])
    users = users_anywhere(ctx, "an admin asks what a user of any tenant may do")
    account = await users.find(user) or await users.find_by_email(user)
    if account is None:
        raise NotFound("There is no such user.")
    return await explain(ctx, asked, await users.caller(account))


def _refuse_unheld(ctx: Context, role: str) -> None:
    roles = ctx.get(Roles)
    if role not in roles:
        raise InvalidInput(fields=[Fault("role", f"is unknown; there are {', '.join(roles.names)}")])
    if not roles.held_by(ctx.caller).cover(roles.of(frozenset({role}))):
        ctx.get(Audit).record_apart(role, outcome="refused")
        raise Forbidden("Nobody grants or takes what they do not hold themselves.")


async def _changed(ctx: Context, users: Users, account: Account) -> UserRoles:
    await users.done()
    account = await users.require(account.id)
    await _tell(ctx, users, account)
    return UserRoles(account.id, sorted(await users.roles(account.id)))


async def _tell(ctx: Context, users: Users, account: Account) -> None:
    caller = await users.caller(account)
    await ctx.get(TokenEnds).mark_rights(account.id, caller.roles_version)
    await ctx.get(Sessions).renew(ctx, caller)
    if account.id == ctx.caller.id:
        # Whoever changes their own rights goes on with the new ones.
        ctx.become(replace(ctx.caller, roles=caller.roles, roles_version=caller.roles_version))
