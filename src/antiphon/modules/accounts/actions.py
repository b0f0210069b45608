"""What people do with their accounts: sign up, look, change, sign in and out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from antiphon import (
    Conflict,
    Context,
    Email,
    Fault,
    Forbidden,
    InvalidInput,
    NotFound,
    NotSignedIn,
    Passwords,
    Secret,
    Struct,
    Ticket,
    Tickets,
    action,
    allow,
    anyone,
    delete,
    get,
    post,
    put,
    raises,
    signed_in,
)
from antiphon.modules.accounts.users import Account, PublicUser, Users

type Name = Annotated[str, Meta(min_length=3, max_length=256)]
type Password = Secret[Annotated[str, Meta(min_length=8, max_length=256)]]
type GivenPassword = Secret[Annotated[str, Meta(min_length=1, max_length=256)]]


class SessionTimes(Struct):
    """When a session began, when it ends if nothing is called, and when it ends in any case."""

    created_at: datetime
    idle_at: datetime
    expires_at: datetime


class SignedIn(Struct):
    """Who signed in, and how long that lasts."""

    user: PublicUser
    session: SessionTimes


@action("user:create", put("/user", status=201, location="/user/{id}"), allow(anyone), raises(Conflict))
async def create_user(ctx: Context, name: Name, email: Email, password: Password) -> PublicUser:
    """Sign up. It does not sign in."""
    passwords = ctx.get(Passwords)
    _refuse_weak(passwords, password, name, email)
    # Hashed before the transaction begins: it takes long, and others wait to write.
    hashed = await passwords.hash(password)
    account = await ctx.get(Users).add(ctx.new_id(), name, email, hashed)
    return account.shown(to_oneself=True)


@action("user:edit", post("/user"), allow(signed_in), raises(Conflict))
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

    A new password signs out every other session, unless `keepOthers` is true.
    """
    if name is UNSET and email is UNSET and password is UNSET:
        raise InvalidInput("There is nothing to change. Give a name, an email or a password.")
    users, passwords = ctx.get(Users), ctx.get(Passwords)
    account = await users.require(ctx.caller.id)
    changes: dict[str, str] = {}
    if name is not UNSET:
        changes["name"] = name
    if email is not UNSET:
        changes["email"] = email.lower()
    if email is not UNSET or password is not UNSET:
        await users.done()
        await _prove(passwords, account, current_password)
    if password is not UNSET:
        _refuse_weak(passwords, password, changes.get("name", account.name), changes.get("email", account.email))
        changes["password_hash"] = await passwords.hash(password)
    account = await users.change(account.id, changes)
    if password is not UNSET and not keep_others:
        session = await ctx.session()
        await session.end_others()
    return account.shown(to_oneself=True)


@action("user:view", get("/user/{user_id}"), allow(signed_in), raises(NotFound))
async def view_user(ctx: Context, user_id: str) -> PublicUser:
    """Look at a user; the email is shown only to oneself."""
    account = await ctx.get(Users).require(user_id)
    return account.shown(to_oneself=account.id == ctx.caller.id)


@action("session:create", put("/session", status=201), allow(anyone), raises(NotSignedIn))
async def create_session(ctx: Context, email: str, password: GivenPassword) -> SignedIn:
    """Sign in. Whatever is wrong, the answer and the time it takes are the same."""
    users, passwords = ctx.get(Users), ctx.get(Passwords)
    account = await users.find_by_email(email)
    await users.done()
    # An account that cannot sign in costs one hash like any other, so that the time tells nothing.
    fits = await passwords.verify((account.password_hash or None) if account is not None else None, password)
    if account is None or not account.may_sign_in or not fits:
        raise NotSignedIn("Email or password is wrong.")
    if passwords.needs_rehash(account.password_hash):
        await users.rehash(account.id, await passwords.hash(password))
    session = await ctx.session()
    await session.start(await users.caller(account))
    times = SessionTimes(session.created_at, session.idle_at, session.expires_at)
    return SignedIn(account.shown(to_oneself=True), times)


@action("session:destroy", delete("/session"), allow(signed_in))
async def destroy_session(ctx: Context) -> None:
    """Sign out."""
    session = await ctx.session()
    await session.end()


@action("socket:ticket", post("/socket/ticket", status=201), allow(signed_in))
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
