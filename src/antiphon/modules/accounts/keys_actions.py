"""What people do with API keys: make one for a program, look at those there are, and revoke one."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated

from msgspec import Meta

from antiphon import (
    Audit,
    Conflict,
    Context,
    Fault,
    Forbidden,
    IdentitySettings,
    InvalidInput,
    NotFound,
    Permissions,
    Roles,
    Sessions,
    SetupError,
    Struct,
    TokenEnds,
    action,
    allow,
    delete,
    get,
    new_api_key,
    put,
    raises,
    secret_digest,
    signed_in,
)
from antiphon.modules.accounts.keys import ApiKey, KeptKey, Keys

type KeyName = Annotated[str, Meta(min_length=1, max_length=100, description="what the key is for")]
type Texts = Annotated[list[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=100)]
type Days = Annotated[int, Meta(ge=1, le=365)]


class NewKey(Struct):
    """A new API key. `key` is shown here and never again."""

    id: str
    key: str
    api_key: ApiKey

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r}, ***)"


class ApiKeys(Struct):
    """One's API keys, the newest first."""

    keys: list[ApiKey]


@action("key:create", put("/key", status=201), allow(signed_in), raises(Conflict))
async def create_key(
    ctx: Context, name: KeyName, permissions: Texts, networks: Texts | None = None, days: Days = 90
) -> NewKey:
    """Make an API key with some of one's own permissions, for some days, and from some networks if that is said."""
    caller = ctx.caller
    _refuse_key(ctx)
    settings, keys = ctx.get(IdentitySettings), ctx.get(Keys)
    granted = _granted(ctx, permissions)
    of_user, of_tenant = await keys.count(caller.id, caller.tenant_id)
    if of_user >= settings.keys_per_user:
        raise Conflict(f"You have {of_user} API keys, and no more may be. Revoke one with key:revoke.")
    if of_tenant >= settings.keys_per_tenant:
        raise Conflict(f"Your tenant has {of_tenant} API keys, and no more may be.")
    key_id, text = new_api_key()
    key = KeptKey(
        key_id,
        caller.id,
        caller.tenant_id,
        name,
        secret_digest(text.reveal()),
        granted,
        _networks(networks or []),
        ctx.now,
        ctx.now + min(timedelta(days=days), settings.key_time),
    )
    await keys.add(key)
    ctx.get(Audit).record(key_id, outcome="created")
    return NewKey(key_id, text.reveal(), key.shown)


@action("keys:list", get("/keys"), allow(signed_in))
async def list_keys(ctx: Context) -> ApiKeys:
    """List one's API keys; none of them is shown."""
    _refuse_key(ctx)
    return ApiKeys([key.shown for key in await ctx.get(Keys).live(ctx.caller.id)])


@action("key:revoke", delete("/key/{key_id}"), allow(signed_in), raises(NotFound))
async def revoke_key(ctx: Context, key_id: str) -> None:
    """End an API key of one's own, on every node at once."""
    _refuse_key(ctx)
    keys = ctx.get(Keys)
    key = await keys.find(key_id)
    if key is None or key.user_id != ctx.caller.id or not key.lives(ctx.now):
        raise NotFound("There is no such API key.")
    ctx.get(Audit).record(key.id, outcome="revoked")
    await end_keys(ctx, keys, [key])


async def end_keys(ctx: Context, keys: Keys, ending: list[KeptKey]) -> None:
    """End API keys, and what was opened with them, on every node. The store first, as with sign-ins."""
    for key in ending:
        await ctx.get(TokenEnds).mark(key.user_id, [key.sid])
        await ctx.get(Sessions).end_named(ctx, key.user_id, [key.sid])
    await keys.revoke([key.id for key in ending])


def _granted(ctx: Context, texts: list[str]) -> tuple[str, ...]:
    try:
        asked = Permissions.read(texts)
    except SetupError:
        fault = Fault("permissions", "names what is no permission; write resource:action:scope, such as order:edit:own")
        raise InvalidInput(fields=[fault]) from None
    if not asked:
        raise InvalidInput(fields=[Fault("permissions", "is empty, and a key without permissions opens nothing")])
    if not ctx.get(Roles).held_by(ctx.caller).cover(asked):
        raise Forbidden("A key holds only what you hold yourself. Look at your permissions with user:me.")
    return tuple(sorted(map(str, asked)))


def _networks(texts: list[str]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(text, strict=True)) for text in texts)
    except ValueError:
        fault = Fault("networks", "names what is no network; write 192.0.2.0/24 or 2001:db8::/32")
        raise InvalidInput(fields=[fault]) from None


def _refuse_key(ctx: Context) -> None:
    if ctx.caller.via == "key":
        raise Forbidden("An API key can make, list and revoke none. Sign in.")
