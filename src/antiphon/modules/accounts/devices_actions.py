"""What people do with their devices: look where they are signed in, and end one or all others; admins, for them."""

from __future__ import annotations

from datetime import datetime

from antiphon import (
    Audit,
    Context,
    Forbidden,
    NotFound,
    Struct,
    action,
    admin,
    allow,
    can,
    delete,
    every,
    get,
    raises,
    signed_in,
)
from antiphon.modules.accounts.confirmations import Confirmations
from antiphon.modules.accounts.devices import Device, Devices, devices_anywhere, end_devices, end_others
from antiphon.modules.accounts.families import Families
from antiphon.modules.accounts.users import reach_user


class ShownDevice(Struct):
    """A sign-in, as its user sees it. `id` names it and is no secret; `current` is the one that asks."""

    id: str
    kind: str
    address: str
    agent: str
    current: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


class ShownDevices(Struct):
    """Where a user is signed in, the newest first."""

    sessions: list[ShownDevice]


class Ended(Struct):
    """How many sign-ins have ended."""

    ended: int


@action("sessions:list", get("/sessions"), allow(signed_in))
async def list_sessions(ctx: Context) -> ShownDevices:
    """List where one is signed in."""
    return _shown(await ctx.get(Devices).live(ctx.caller.id), ctx.caller.sid)


@action("sessions:revoke", delete("/sessions/{session_id}"), allow(signed_in), raises(NotFound))
async def revoke_session(ctx: Context, session_id: str) -> None:
    """End one of one's sign-ins, or with `others` as its id all but the one that asks."""
    _refuse_key(ctx)
    if session_id == "others":
        ctx.get(Audit).record(ctx.caller.id, outcome="others signed out")
        await end_others(ctx, ctx.caller.id, ctx.caller.sid)
        return
    devices = ctx.get(Devices)
    device = await devices.find(session_id)
    if device is None or device.user_id != ctx.caller.id or not device.lives(ctx.now):
        raise NotFound("There is no such session.")
    ctx.get(Audit).record(device.id, outcome="revoked")
    await end_devices(ctx, devices, ctx.caller.id, [device.id])


@action("user:sessions", get("/v1/users/{user_id}/sessions"), allow(can("user:edit")), raises(NotFound))
async def list_sessions_of_user(ctx: Context, user_id: str) -> ShownDevices:
    """List where a user is signed in."""
    account = await reach_user(ctx, user_id)
    return _shown(await ctx.get(Devices).live(account.id), ctx.caller.sid)


@action("user:sign-out", delete("/v1/users/{user_id}/sessions"), allow(can("user:edit")), raises(NotFound))
async def sign_out_user(ctx: Context, user_id: str) -> Ended:
    """Sign a user out everywhere."""
    account = await reach_user(ctx, user_id)
    devices = ctx.get(Devices)
    live = await devices.live(account.id)
    ctx.get(Audit).record(account.id, outcome="signed out everywhere", tenant_id=account.tenant_id)
    await end_devices(ctx, devices, account.id, [device.id for device in live])
    return Ended(len(live))


@action("sessions:purge", every("1h"), allow(admin))
async def purge_sessions(ctx: Context) -> Ended:
    """Remove the rows of sign-ins that ended 30 days ago, and what can be refreshed or confirmed no longer."""
    devices = devices_anywhere(ctx, "what is over goes in every tenant")
    await ctx.get(Families).wipe()
    await ctx.get(Confirmations).purge()
    ended = await devices.purge()
    if ended:
        ctx.get(Audit).record(f"{ended} sign-ins", outcome="purged")
    return Ended(ended)


def _refuse_key(ctx: Context) -> None:
    if ctx.caller.via == "key":
        raise Forbidden("An API key ends no sign-in.")


def _shown(devices: list[Device], current: str) -> ShownDevices:
    return ShownDevices(
        [
            ShownDevice(
                device.id, device.kind, device.address, device.agent, device.id == current,
                device.created_at, device.seen_at, device.ends_at,
            )
            for device in devices
        ]
    )  # fmt: skip
