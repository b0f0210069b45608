"""What clients do with tokens: refresh them, ask who they are, and ask what a token is worth."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType
from msgspec.structs import replace

from antiphon import (
    Audit,
    Context,
    CredentialShown,
    Keyring,
    Lockout,
    NotSignedIn,
    Roles,
    Secret,
    Struct,
    Tokens,
    action,
    admin,
    allow,
    anyone,
    get,
    limit,
    post,
    raises,
    secret_digest,
    signed_in,
)
from antiphon.modules.accounts.devices import devices_anywhere, end_devices
from antiphon.modules.accounts.families import Families, Refreshed, who_asks
from antiphon.modules.accounts.keys import Keys
from antiphon.modules.accounts.reports import RefreshTokenReused
from antiphon.modules.accounts.sign_in import TokenPair
from antiphon.modules.accounts.users import PublicUser, Users, users_anywhere

type GivenToken = Secret[Annotated[str, Meta(min_length=1, max_length=8192)]]

_REASON = "who shows a refresh token has not said to which tenant it belongs"
_REFUSED = "The refresh token is of no use. Sign in again."


class MySession(Struct):
    """What the call came with: the name of the sign-in or key, and when a token or key ends."""

    id: str
    via: str
    expires_at: datetime | None


class Me(Struct):
    """Who calls, and what they may do."""

    user: PublicUser
    tenant_id: str
    roles: list[str]
    permissions: list[str]
    session: MySession


class Inspected(Struct, rename=None, omit_defaults=True):
    """What a token is worth (RFC 7662 §2.2); of anything that is worth nothing only `active: false` is said."""

    active: bool
    token_type: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    iss: str | UnsetType = UNSET
    sid: str | UnsetType = UNSET
    tenant_id: str | UnsetType = UNSET
    jti: str | UnsetType = UNSET
    iat: int | UnsetType = UNSET
    exp: int | UnsetType = UNSET
    scope: str | UnsetType = UNSET


_INACTIVE = Inspected(active=False)


@action("session:refresh", post("/session/refresh"), allow(anyone), limit("refresh"), raises(NotSignedIn))
async def refresh_session(ctx: Context, refresh_token: GivenToken) -> TokenPair:
    """Trade a refresh token for the next access and refresh token. It has one use.

    Shown again, it ends the sign-in: somebody has a copy. For ten seconds the same device gets the same answer.
    """
    # What is refused for want of a key must not have used the token.
    await ctx.get(Keyring).signer()
    # By its address alone: a token names no account, and nobody may make others wait.
    async with ctx.get(Lockout).guess(ctx, f"refresh token {ctx.connection.identifier}"):
        used = await _use(ctx, refresh_token)
    users, devices = users_anywhere(ctx, _REASON), devices_anywhere(ctx, _REASON)
    device = await devices.find(used.device_id)
    account = await users.find(device.user_id) if device is not None else None
    if device is None or account is None or not account.may_call:
        raise NotSignedIn(_REFUSED)
    await devices.saw(device.id, ctx.now)
    caller = replace(await users.caller(account), sid=device.id, via="token", proved_at=device.created_at)
    access = await ctx.get(Tokens).issue(caller)
    return TokenPair(access.text.reveal(), access.expires_at, used.token.reveal(), used.expires_at)


async def _use(ctx: Context, refresh_token: GivenToken) -> Refreshed:
    used = await ctx.get(Families).use(refresh_token, who_asks(ctx))
    if isinstance(used, Refreshed):
        return used
    if used is not None:
        devices = devices_anywhere(ctx, _REASON)
        device = await devices.find(used.device_id)
        tenant_id = device.tenant_id if device is not None else ""
        ctx.get(Audit).record(f"{used.user_id} {used.device_id}", outcome="reused", tenant_id=tenant_id)
        await end_devices(ctx, devices, used.user_id, [used.device_id])
        await ctx.publish(RefreshTokenReused(used.user_id, used.device_id))
        # What has ended stays ended, though the call fails.
        await devices.done()
    raise NotSignedIn(_REFUSED)


@action("user:me", get("/me"), allow(signed_in))
async def view_me(ctx: Context) -> Me:
    """Look at oneself: tenant, roles, permissions, and what the call came with."""
    caller = ctx.caller
    account = await ctx.get(Users).require(caller.id)
    shown = ctx.told(CredentialShown)
    expires_at = shown.ends_at if shown is not None else None
    if caller.via == "session":
        expires_at = (await ctx.session()).expires_at
    return Me(
        account.shown(to_oneself=True),
        caller.tenant_id,
        sorted(caller.roles),
        sorted(map(str, ctx.get(Roles).held_by(caller))),
        MySession(caller.sid, caller.via, expires_at),
    )


@action("token:inspect", post("/token/inspect"), allow(admin))
async def inspect_token(ctx: Context, token: GivenToken) -> Inspected:
    """Say what a token is worth (RFC 7662): an access token, a refresh token or an API key."""
    tokens, text = ctx.get(Tokens), token.reveal()
    found = await tokens.recognise(text)
    if found is None:
        return await _inspect_refresh(ctx, text)
    verified, caller = found.verified, found.verified.caller
    issued = verified.issued
    if caller.via == "key":
        key = await ctx.get(Keys).find(verified.token_id)
        issued = int(key.created_at.timestamp()) if key is not None else issued
    return Inspected(
        active=True,
        token_type="access_token" if caller.via == "token" else "api_key",
        sub=caller.id,
        iss=verified.issuer or tokens.expected.issuer,
        sid=caller.sid,
        tenant_id=caller.tenant_id,
        jti=verified.token_id,
        iat=issued,
        exp=int(verified.ends_at.timestamp()),
        scope=" ".join(sorted(map(str, ctx.get(Roles).held_by(caller)))),
    )


async def _inspect_refresh(ctx: Context, text: str) -> Inspected:
    row = await ctx.get(Families).device_of(secret_digest(text))
    if row is None:
        return _INACTIVE
    return Inspected(
        active=True,
        token_type="refresh_token",  # noqa: S106  # the name of a kind (RFC 7009)
        sub=row.user_id,
        sid=row.device_id,
        iat=int(row.created_at.timestamp()),
        exp=int(row.expires_at.timestamp()),
    )
