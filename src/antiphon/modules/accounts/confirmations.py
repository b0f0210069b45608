"""Addresses that wait to be confirmed: sign-ups and new emails, each with a token that goes out by mail."""

# A sign-up that waits is no account: nobody sees it, it holds no name, and nobody signs in with it. It is a row with
# its token and the password that came with it, which count only together: a stranger's password never with my token.
# Many may wait for one address, or a stranger could hold its owner off by signing up again and again. The first that is
# confirmed ends the others. Of the new emails of one account only the newest waits.
#
# The token alone is not enough either, because it is sent to whoever owns the address, whoever asked for it:
#
#     has the token   knows the password   is                                                   gets
#     yes             yes                  who signed up with their own address                 an account
#     no              yes                  who signed up with the address of somebody else      nothing
#     yes             no                   whom somebody else signed up                         nothing
#
# Without the last line a stranger would have an account under the address of whoever follows the link in their mail.
# The same holds for the new email of an account, whose password is the account's.
#
# An address that is taken already costs the same statements, and a token that nobody is told.

from __future__ import annotations

from datetime import datetime
from secrets import token_urlsafe
from typing import Any

from sqlalchemy import delete, insert, select

from antiphon import Audit, Context, RootSecret, Secret, Struct, Work, scoped, secret_digest
from antiphon.modules.accounts.reports import Reason, TakenEmailGiven, email_confirmation_asked
from antiphon.modules.accounts.settings import AccountSettings
from antiphon.modules.accounts.tables_identity import email_confirmations
from antiphon.modules.accounts.users import Account, Users, users_anywhere

_table = email_confirmations
_KEPT = (_table.c.user_id, _table.c.email, _table.c.name, _table.c.password_hash)


class Claim(Struct):
    """Somebody says that an address is theirs: the id of the account, and for one that is to be, what it will have."""

    user_id: str
    email: str
    name: str = ""
    password_hash: str = ""

    def __repr__(self) -> str:
        return f"Claim({self.user_id})"


class Confirmations:
    """The addresses that wait, within one call's transaction."""

    def __init__(self, work: Work, settings: AccountSettings, now: datetime) -> None:
        self._work = work
        self._time = settings.confirm_time
        self._now = now

    async def begin(self, claim: Claim) -> str:
        """A token for a claim; those before it, of the same user, are of no use. A secret."""
        token = token_urlsafe(32)
        await self._work.execute(delete(_table).where(_table.c.user_id == claim.user_id))
        await self._work.execute(
            insert(_table).values(
                digest=secret_digest(token),
                email=claim.email.lower(),
                user_id=claim.user_id,
                name=claim.name,
                password_hash=claim.password_hash,
                created_at=self._now,
                expires_at=self._now + self._time,
            )
        )
        return token

    async def find(self, token: Secret[str]) -> Claim | None:
        """What this token confirms, without using it, or None."""
        found = (await self._work.execute(select(*_KEPT).where(*self._in_force(token)))).one_or_none()
        return None if found is None else Claim(*found)

    async def use(self, token: Secret[str]) -> Claim | None:
        """What this token confirms, or None. It is of no use again; of many who show it at once one is told.

        Nobody else can confirm the address any more.
        """
        email = select(_table.c.email).where(*self._in_force(token)).scalar_subquery()
        of_address = _table.c.email == email
        # In one order: of two who confirm an address at once, neither may hold what the other waits for.
        await self._work.execute(select(_table.c.digest).where(of_address).order_by(_table.c.digest).with_for_update())
        used = delete(_table).where(*self._in_force(token)).returning(*_KEPT)
        found = (await self._work.execute(used)).one_or_none()
        if found is None:
            return None
        claim = Claim(*found)
        await self._work.execute(delete(_table).where(_table.c.email == claim.email))
        return claim

    async def purge(self) -> int:
        """Remove what nobody can confirm any more. Gives how many."""
        return (await self._work.execute(delete(_table).where(_table.c.expires_at <= self._now))).rowcount

    def _in_force(self, token: Secret[str]) -> tuple[Any, Any]:
        return _table.c.digest == secret_digest(token.reveal()), _table.c.expires_at > self._now


async def ask_for_account(ctx: Context, users: Users, name: str, email: str, password_hash: str) -> None:
    """Let a sign-up wait for its address. Whether it is taken shows in the event alone, and so in the mail."""
    claim = Claim(ctx.new_id(), email, name, password_hash)
    owner = await _ask(ctx, users, claim, "sign-up")
    # A row in either case, so that its absence tells nothing.
    if owner is None:
        ctx.get(Audit).record(claim.user_id, outcome="confirmation asked", tenant_id="")
    else:
        ctx.get(Audit).record(owner.id, outcome="signed up again", tenant_id=owner.tenant_id)


async def ask_for_email(ctx: Context, user_id: str, email: str) -> None:
    """Let the new email of an account wait; until it is confirmed the account keeps the one it has."""
    users = users_anywhere(ctx, "an address may be taken in any tenant")
    # Of two new emails at once the later one counts.
    await users.take_turns(user_id)
    await _ask(ctx, users, Claim(user_id, email), "change")
    ctx.get(Audit).record(user_id, outcome="confirmation asked")


async def _ask(ctx: Context, users: Users, claim: Claim, reason: Reason) -> Account | None:
    """Give the account that has the address already, if there is one."""
    owner = await users.find_by_email(claim.email)
    token = await ctx.get(Confirmations).begin(claim if owner is None else Claim(claim.user_id, claim.email))
    if owner is None:
        root = ctx.get(RootSecret)
        await ctx.publish(email_confirmation_asked(root, claim.user_id, claim.email.lower(), token, reason))
    else:
        await ctx.publish(TakenEmailGiven(owner.id, owner.email, reason))
    return owner


@scoped
def confirmations_of_call(ctx: Context, work: Work, settings: AccountSettings) -> Confirmations:
    """The addresses that wait to be confirmed, within the call's transaction."""
    return Confirmations(work, settings, ctx.now)
