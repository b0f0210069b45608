"""Admins let users in no longer, and in again: what a disabled user has open ends at once."""

from __future__ import annotations

from antiphon import Audit, Context, Forbidden, NotFound, Sessions, Struct, Work, action, allow, can, post, raises
from antiphon.modules.accounts.devices import Devices, end_devices
from antiphon.modules.accounts.keys import Keys
from antiphon.modules.accounts.keys_actions import end_keys
from antiphon.modules.accounts.users import Users, reach_user


class UserState(Struct):
    """Whether a user may sign in."""

    user_id: str
    disabled: bool


@action("user:disable", post("/v1/users/{user_id}/disable"), allow(can("user:disable")), raises(NotFound))
async def disable_user(ctx: Context, user_id: str) -> UserState:
    """Let a user in no longer. Every sign-in and API key of theirs ends, on every node."""
    if user_id == ctx.caller.id:
        raise Forbidden("Nobody disables themselves. Let another admin do it.")
    account = await reach_user(ctx, user_id)
    users = ctx.get(Users)
    await users.change(account.id, {"disabled_at": account.disabled_at or ctx.now})
    ctx.get(Audit).record(account.id, outcome="disabled", tenant_id=account.tenant_id)
    # Committed first: whoever signs in meanwhile finds the account disabled, or is in the lists that are read now.
    await users.done()
    await end_everything(ctx, account.id)
    return UserState(account.id, disabled=True)


@action("user:enable", post("/v1/users/{user_id}/enable"), allow(can("user:disable")), raises(NotFound))
async def enable_user(ctx: Context, user_id: str) -> UserState:
    """Let a user in again. They sign in anew; API keys that ended stay ended."""
    account = await reach_user(ctx, user_id)
    await ctx.get(Users).change(account.id, {"disabled_at": None})
    ctx.get(Audit).record(account.id, outcome="enabled", tenant_id=account.tenant_id)
    return UserState(account.id, disabled=False)


async def end_everything(ctx: Context, user_id: str) -> None:
    """End every sign-in and API key of a user, and what was opened with them, on every node."""
    work = ctx.get(Work).unscoped("all that a user has open ends, in whichever tenant it was opened")
    devices, keys = Devices(work, ctx.now), Keys(work, ctx.now)
    live = [device.id for device in await devices.live(user_id)]
    await end_devices(ctx, devices, user_id, live)
    await end_keys(ctx, keys, await keys.live(user_id))
    await ctx.get(Sessions).end_all(ctx, user_id)
