"""Confirming an address: what is shown is the token from the mail, and the password."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from antiphon import (
    Audit,
    Conflict,
    Context,
    Fault,
    Forbidden,
    InvalidInput,
    Lockout,
    Passwords,
    Secret,
    Taken,
    action,
    allow,
    anyone,
    limit,
    post,
    raises,
)
from antiphon.modules.accounts.actions import GivenPassword, Name
from antiphon.modules.accounts.confirmations import Claim, Confirmations
from antiphon.modules.accounts.resets import Resets
from antiphon.modules.accounts.tables import DEFAULT_TENANT_ID
from antiphon.modules.accounts.users import Account, Users, users_anywhere

type EmailToken = Secret[Annotated[str, Meta(min_length=1, max_length=256)]]

_REFUSED = "Token or password is of no use. Ask for another token."
_REASON = "who confirms an address has not said to which tenant they belong"


@action("email:confirm", post("/email/confirm"), allow(anyone), limit("reset"), raises(Forbidden, Conflict))
async def confirm_email(
    ctx: Context, token: EmailToken, password: GivenPassword, name: Name | UnsetType = UNSET
) -> None:
    """Confirm an address with the token that was sent to it, and the password that was chosen.

    A sign-up becomes an account; a name that another has by now is a conflict, and `name` gives a different one. For a
    new email the password is that of the account. It does not sign in.
    """
    users, confirmations = users_anywhere(ctx, _REASON), ctx.get(Confirmations)
    async with ctx.get(Lockout).guess(ctx, f"email token {ctx.connection.identifier}"):
        claim = await confirmations.find(token)
        account = await users.find(claim.user_id) if claim is not None else None
        await users.done()
        await _prove(ctx, claim, account, password)
    if name is not UNSET and account is None:
        reason = ctx.get(Passwords).check(password, words=(name,))
        if reason is not None:
            raise InvalidInput(fields=[Fault("name", f"does not go with the password, which {reason}")])
    # Only now is it used: a name that is taken may be mended with the same token.
    used = await confirmations.use(token)
    if used is None:
        raise Forbidden(_REFUSED)
    kept = await _keep(users, ctx.get(Resets), used, account, None if name is UNSET else name)
    ctx.get(Audit).record(kept.id, outcome="email confirmed", tenant_id=kept.tenant_id)


async def _prove(ctx: Context, claim: Claim | None, account: Account | None, password: GivenPassword) -> None:
    """Whatever is wrong, the answer and the time it takes are the same."""
    passwords = ctx.get(Passwords)
    if claim is None:
        await passwords.verify(None, password)
        raise Forbidden(_REFUSED)
    # Counted where signing in is: whoever was sent a token of somebody else guesses no faster than anybody.
    async with ctx.get(Lockout).guess(ctx, claim.email if account is None else account.email):
        hashed = claim.password_hash if account is None else account.password_hash
        fits = await passwords.verify(hashed or None, password)
        if not fits or (account is not None and not account.may_call):
            raise Forbidden(_REFUSED)


async def _keep(users: Users, resets: Resets, claim: Claim, account: Account | None, name: str | None) -> Account:
    """The account with its address. Raises Taken for the name, and Forbidden for an address that is another's now."""
    try:
        if account is not None:
            # A token that was sent to the address before is of no use to whoever reads mail there.
            await resets.forget(account.id)
            return await users.change(account.id, {"email": claim.email})
        return await users.add(claim.user_id, DEFAULT_TENANT_ID, name or claim.name, claim.email, claim.password_hash)
    except Taken as taken:
        if taken.constraint == "uq_users_name":
            raise
        raise Forbidden(_REFUSED) from None
