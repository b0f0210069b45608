"""What people do with their accounts: sign up, look, change, sign in and out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from antiphon import (
    Audit,
    Conflict,
    Context,
    Email,
    Fault,
    Forbidden,
    InvalidInput,
    Lockout,
    NotFound,
    NotSignedIn,
    Passwords,
    Secret,
    Ticket,
    Tickets,
    action,
    allow,
    anyone,
    delete,
    get,
    limit,
    post,
    put,
    raises,
    signed_in,
)
from antiphon.modules.accounts.confirmations import ask_for_account, ask_for_email
from antiphon.modules.accounts.devices import end_others
from antiphon.modules.accounts.resets import Resets
from antiphon.modules.accounts.settings import AccountSettings
from antiphon.modules.accounts.sign_in import WRONG, SignedIn, sign_in, sign_in_with_tokens, sign_out
from antiphon.modules.accounts.tables import DEFAULT_TENANT_ID
from antiphon.modules.accounts.users import Account, PublicUser, Users, users_anywhere

type Name = Annotated[str, Meta(min_length=3, max_length=256)]
type Password = Secret[Annotated[str, Meta(min_length=8, max_length=256)]]
type GivenPassword = Secret[Annotated[str, Meta(min_length=1, max_length=256)]]


def _made_or_asked(user: PublicUser | None) -> Literal[201, 202]:
    return 202 if user is None else 201


@action(
    "user:create",
    put("/user", status=_made_or_asked, location="/user/{id}"),
    allow(anyone),
    limit("sign-up"),
    raises(Conflict),
)
async def create_user(ctx: Context, name: Name, email: Email, password: Password) -> PublicUser | None:
    """Sign up. It does not sign in.

    Where an email has to be confirmed the answer is empty, and the same for one that is taken: the mail says more.
    """
    passwords = ctx.get(Passwords)
    _refuse_weak(passwords, password, name, email)
    # Hashed before the transaction begins: it takes long, and others wait to write.
    hashed = await passwords.hash(password)
    users = users_anywhere(ctx, "whoever signs up has no tenant yet")
    if ctx.get(AccountSettings).confirm_email:
        await ask_for_account(ctx, users, name, email, hashed)
        return None
    account = await users.add(ctx.new_id(), DEFAULT_TENANT_ID, name, email, hashed)
    return account.shown(to_oneself=True)


@action("user:edit", post("/user"), allow(signed_in), limit(60, per="1h", by="user"), raises(Conflict))
async def edit_user(
    ctx: Context,
    name: Name | UnsetType = UNSET,
    email: Email | UnsetType = UNSET,
    password: Password | UnsetType = UNSET,
    current_password: GivenPassword | UnsetType = UNSET,
    *,
    keep_others: bool = False,
) -> PublicUser:
    """Change one's own name, email or password; the latter two need the current password.

    A new password signs out every other session, unless `keepOthers` is true. Where an email has to be confirmed the
    one before stays until then, and nothing tells whether the new one is taken.
    """
    if name is UNSET and email is UNSET and password is UNSET:
        raise InvalidInput("There is nothing to change. Give a name, an email or a password.")
    users, passwords = ctx.get(Users), ctx.get(Passwords)
    account = await users.require(ctx.caller.id)
    changes: dict[str, Any] = {}
    if name is not UNSET:
        changes["name"] = name
    if email is not UNSET:
        changes["email"] = email.lower()
    if email is not UNSET or password is not UNSET:
        if ctx.caller.via == "key":
            raise Forbidden("An API key changes neither email nor password. Sign in.")
        await users.done()
        async with ctx.get(Lockout).guess(ctx, account.email):
            await _prove(passwords, account, current_password)
    if password is not UNSET:
        _refuse_weak(passwords, password, changes.get("name", account.name), changes.get("email", account.email))
        changes["password_hash"] = await passwords.hash(password)
        ctx.get(Audit).record(account.id, outcome="password changed")
    if ctx.get(AccountSettings).confirm_email and (new := changes.pop("email", account.email)) != account.email:
        await ask_for_email(ctx, account.id, new)
    if changes:
        account = await users.change(account.id, changes)
    if not changes.keys().isdisjoint(("email", "password_hash")):
        await ctx.get(Resets).forget(account.id)
    if password is not UNSET and not keep_others:
        await end_others(ctx, account.id, ctx.caller.sid)
    return account.shown(to_oneself=True)


@action("user:view", get("/user/{user_id}"), allow(signed_in), raises(NotFound))
async def view_user(ctx: Context, user_id: str) -> PublicUser:
    """Look at a user; the email is shown only to oneself."""
    account = await ctx.get(Users).require(user_id)
    return account.shown(to_oneself=account.id == ctx.caller.id)


@action("session:create", put("/session", status=201), allow(anyone), limit("sign-in"), raises(NotSignedIn))
async def create_session(ctx: Context, email: str, password: GivenPassword, *, tokens: bool = False) -> SignedIn:
    """Sign in. Whatever is wrong, the answer and the time it takes are the same.

    A client that keeps no cookies asks for `tokens`: an access token for each call, and a refresh token for the next.
    """
    users, passwords = users_anywhere(ctx, "whoever signs in has not said to which tenant"), ctx.get(Passwords)
    async with ctx.get(Lockout).guess(ctx, email):
        account = await users.find_by_email(email)
        await users.done()
        # An account that cannot sign in costs one hash like any other, so that the time tells nothing.
        fits = await passwords.verify((account.password_hash or None) if account is not None else None, password)
        if account is None or not account.may_sign_in or not fits:
            # A row for whatever is wrong, so that its absence tells nothing either.
            ctx.get(Audit).record_apart(account.id if account is not None else "", outcome="failed")
            raise NotSignedIn(WRONG)
    if passwords.needs_rehash(account.password_hash):
        await users.rehash(account.id, await passwords.hash(password))
        account = await users.require(account.id)
    caller, shown = await users.caller(account), account.shown(to_oneself=True)
    await users.done()
    if tokens:
        times, pair = await sign_in_with_tokens(ctx, users, account, caller)
        return SignedIn(shown, times, pair)
    return SignedIn(shown, await sign_in(ctx, users, account, caller))


@action("session:destroy", delete("/session"), allow(signed_in))
async def destroy_session(ctx: Context) -> None:
    """Sign out this device."""
    await sign_out(ctx)


@action("socket:ticket", post("/socket/ticket", status=201), allow(signed_in), limit(60, per="1m", by="user"))
async def create_ticket(ctx: Context) -> Ticket:
    """Make a ticket for a socket of this session, for clients that can send no cookie with it: `/ws?ticket=…`.

    It is a secret, opens one socket once, and is of no use half a minute later.
    """
    return await ctx.get(Tickets).issue(ctx)


async def _prove(passwords: Passwords, account: Account, current: GivenPassword | UnsetType) -> None:
    if current is UNSET:
        raise InvalidInput(fields=[Fault("currentPassword", "is missing")])
    if not await passwords.verify(account.password_hash or None, current):
        raise Forbidden("The current password is wrong.")


def _refuse_weak(passwords: Passwords, password: Password, name: str, email: str) -> None:
    reason = passwords.check(password, words=(name, email))
    if reason is not None:
        raise InvalidInput(fields=[Fault("password", reason)])
