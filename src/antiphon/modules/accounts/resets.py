"""A new password for whoever has forgotten theirs: a token that the application sends by mail, and that works once."""

# Asking always answers the same, whether the address is anybody's or not, and costs the same two look-ups of a token's
# SHA-256. Only the newest token of a user works, for half an hour, and until their email or password changes. Using it
# ends every sign-in of the user.

from __future__ import annotations

from datetime import datetime
from secrets import token_urlsafe
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import delete, insert, select

from antiphon import (
    Audit,
    Context,
    Email,
    Fault,
    Forbidden,
    IdentitySettings,
    InvalidInput,
    Lockout,
    Passwords,
    RootSecret,
    Secret,
    Work,
    action,
    allow,
    anyone,
    limit,
    post,
    raises,
    scoped,
    secret_digest,
)
from antiphon.modules.accounts.devices import devices_anywhere, end_devices
from antiphon.modules.accounts.reports import password_reset_asked
from antiphon.modules.accounts.tables_identity import password_resets
from antiphon.modules.accounts.users import users_anywhere

type NewPassword = Secret[Annotated[str, Meta(min_length=8, max_length=256)]]
type ResetToken = Secret[Annotated[str, Meta(min_length=1, max_length=256)]]

_REFUSED = "The token is of no use. Ask for another one."
_REASON = "who has forgotten their password has not said to which tenant they belong"


class Resets:
    """The tokens for a new password within one call's transaction."""

    def __init__(self, work: Work, settings: IdentitySettings, now: datetime) -> None:
        self._work = work
        self._time = settings.reset_time
        self._now = now

    async def begin(self, user_id: str) -> str:
        """A new token for a user; the one before is of no use any more. A secret."""
        token = token_urlsafe(32)
        await self.forget(user_id)
        await self._work.execute(
            insert(password_resets).values(
                user_id=user_id, digest=secret_digest(token), created_at=self._now, expires_at=self._now + self._time
            )
        )
        return token

    async def forget(self, user_id: str) -> None:
        """No token of this user is of use any more: whoever changes email or password may do so because of one."""
        await self._work.execute(delete(password_resets).where(password_resets.c.user_id == user_id))

    async def user_of(self, token: Secret[str]) -> str | None:
        """Whose token this is, without using it, or None."""
        return await self._work.scalar(select(password_resets.c.user_id).where(*self._in_force(token)))

    async def use(self, token: Secret[str]) -> str | None:
        """Whose token this is, or None. It is of no use again; of many who show it at once one is told."""
        used = delete(password_resets).where(*self._in_force(token)).returning(password_resets.c.user_id)
        return (await self._work.execute(used)).scalar_one_or_none()

    def _in_force(self, token: Secret[str]) -> tuple[Any, Any]:
        digest = secret_digest(token.reveal())
        return password_resets.c.digest == digest, password_resets.c.expires_at > self._now


@action("reset:request", post("/password/reset", status=202), allow(anyone), limit("reset"))
async def request_reset(ctx: Context, email: Email) -> None:
    """Ask for a new password. The answer is the same whether the address is anybody's or not."""
    account = await users_anywhere(ctx, _REASON).find_by_email(email)
    # A row in either case, so that its absence tells nothing.
    known = account.id if account is not None else ""
    ctx.get(Audit).record(known, outcome="reset asked", tenant_id=account.tenant_id if account is not None else "")
    if account is not None and account.may_sign_in:
        token = await ctx.get(Resets).begin(account.id)
        await ctx.publish(password_reset_asked(ctx.get(RootSecret), account.id, account.email, token))


@action("reset:confirm", post("/password/reset/confirm"), allow(anyone), limit("reset"), raises(Forbidden))
async def confirm_reset(ctx: Context, token: ResetToken, password: NewPassword) -> None:
    """Set a new password with the token that was sent. Every sign-in of the user ends."""
    users, resets, passwords = users_anywhere(ctx, _REASON), ctx.get(Resets), ctx.get(Passwords)
    async with ctx.get(Lockout).guess(ctx, f"reset token {ctx.connection.identifier}"):
        user_id = await resets.user_of(token)
        account = await users.find(user_id) if user_id is not None else None
        await users.done()
        if account is None or not account.may_call:
            raise Forbidden(_REFUSED)
    reason = passwords.check(password, words=(account.name, account.email))
    if reason is not None:
        raise InvalidInput(fields=[Fault("password", reason)])
    hashed = await passwords.hash(password)
    # Only now is it used: a password that was refused may be mended with the same token.
    if await resets.use(token) != account.id:
        raise Forbidden(_REFUSED)
    await users.change(account.id, {"password_hash": hashed})
    ctx.get(Audit).record(account.id, outcome="password reset", tenant_id=account.tenant_id)
    devices = devices_anywhere(ctx, _REASON)
    await end_devices(ctx, devices, account.id, [device.id for device in await devices.live(account.id)])


@scoped
def resets_of_call(ctx: Context, work: Work, settings: IdentitySettings) -> Resets:
    """The tokens for a new password, within the call's transaction."""
    return Resets(work, settings, ctx.now)
