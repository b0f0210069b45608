"""Signing in and out: the device session first, and then what the client keeps of it, a cookie or tokens."""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from antiphon import (
    ANONYMOUS,
    Audit,
    Caller,
    Context,
    Forbidden,
    IdentitySettings,
    NotSignedIn,
    SessionEnded,
    Sessions,
    Struct,
    Tokens,
)
from antiphon.modules.accounts.devices import Device, Devices, Kind, devices_anywhere, end_devices, make_room, new_sid
from antiphon.modules.accounts.families import Families
from antiphon.modules.accounts.keys import SID_OF_KEY
from antiphon.modules.accounts.users import Account, PublicUser, Users

_REASON = "whoever signs in has no tenant yet"
WRONG = "Email or password is wrong."
_LONGEST_AGENT = 512
_LONGEST_ADDRESS = 64


class SessionTimes(Struct):
    """When a session began, when it ends if nothing is called, and when it ends in any case."""

    created_at: datetime
    idle_at: datetime
    expires_at: datetime


class TokenPair(Struct):
    """What a client without cookies keeps: an access token for every call, and a refresh token for one refresh."""

    access_token: str
    expires_at: datetime
    refresh_token: str
    refresh_expires_at: datetime
    token_type: str = "Bearer"  # noqa: S105  # the name of a scheme (RFC 6750)

    def __repr__(self) -> str:
        return f"TokenPair(***, expires_at={self.expires_at.isoformat()})"


class SignedIn(Struct):
    """Who signed in, and how long that lasts; `tokens` only where they were asked for."""

    user: PublicUser
    session: SessionTimes
    tokens: TokenPair | UnsetType = UNSET


async def sign_in(ctx: Context, users: Users, account: Account, caller: Caller) -> SessionTimes:
    """Begin a session with a cookie. Raises NotSignedIn when the account has changed since its password was shown."""
    devices = devices_anywhere(ctx, _REASON)
    await make_room(ctx, devices, caller.id)
    session = await ctx.session()
    await session.start(replace(caller, sid=new_sid(), via="session", proved_at=ctx.now))
    try:
        await _confirm(users, account)
        idle = int(ctx.get(Sessions).idle_time.total_seconds())
        await _keep(ctx, devices, caller, session.sid, "session", idle, session.expires_at)
        await devices.done()
    except BaseException:
        # Nobody would find it in a list of devices, and so nobody could end it.
        await session.end()
        raise
    return SessionTimes(session.created_at, session.idle_at, session.expires_at)


async def sign_in_with_tokens(
    ctx: Context, users: Users, account: Account, caller: Caller
) -> tuple[SessionTimes, TokenPair]:
    """Begin a family of tokens. Raises NotSignedIn as `sign_in` does."""
    settings = ctx.get(IdentitySettings)
    sid, ends_at = new_sid(), ctx.now + settings.family_time
    # Before the transaction begins: the first token of all makes a signing key, in a transaction of its own.
    access = await ctx.get(Tokens).issue(replace(caller, sid=sid, via="token", proved_at=ctx.now))
    devices = devices_anywhere(ctx, _REASON)
    await make_room(ctx, devices, caller.id)
    await _confirm(users, account)
    device = await _keep(ctx, devices, caller, sid, "tokens", int(settings.refresh_time.total_seconds()), ends_at)
    refresh = await ctx.get(Families).begin(sid, ends_at)
    pair = TokenPair(access.text.reveal(), access.expires_at, refresh.token.reveal(), refresh.expires_at)
    return SessionTimes(device.created_at, device.ends_at, device.expires_at), pair


async def sign_out(ctx: Context) -> None:
    """End the sign-in that this call came with. Raises Forbidden for an API key, which is no sign-in."""
    caller = ctx.caller
    if caller.via == "key" or caller.sid.startswith(SID_OF_KEY):
        raise Forbidden("An API key is not signed in. Revoke it with key:revoke.")
    ctx.get(Audit).record(caller.id, outcome="signed out")
    if caller.via == "token":
        # Before others hear of it: a socket that signs itself out is answered first.
        ctx.tell(SessionEnded())
        await end_devices(ctx, ctx.get(Devices), caller.id, [caller.sid])
        ctx.become(ANONYMOUS)
        return
    if caller.sid:
        # While the call is still the caller's; it is kept when the call ends well.
        await ctx.get(Devices).end([caller.sid])
    session = await ctx.session()
    await session.end()


async def _confirm(users: Users, account: Account) -> None:
    """Let nobody in whose password was changed or whose account was disabled since it was looked up.

    From here on both wait for this call, and then find its sign-in among those that they end.
    """
    now = await users.take_turns(account.id)
    if not now.may_sign_in or now.password_hash != account.password_hash:
        raise NotSignedIn(WRONG)


async def _keep(
    ctx: Context, devices: Devices, caller: Caller, sid: str, kind: Kind, idle_seconds: int, expires_at: datetime
) -> Device:
    address, agent = ctx.connection.identifier[:_LONGEST_ADDRESS], _shown(ctx.connection.agent)[:_LONGEST_AGENT]
    now = ctx.now
    device = Device(sid, caller.id, caller.tenant_id, kind, address, agent, idle_seconds, now, now, expires_at, None)
    await devices.add(device)
    ctx.get(Audit).record(caller.id, outcome="signed in", actor=caller.id, tenant_id=caller.tenant_id)
    return device


def _shown(text: str) -> str:
    """A header as it may be kept and shown: PostgreSQL takes no NUL, and terminals obey other controls."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
