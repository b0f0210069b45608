"""What accounts announce: facts that an application may want to act on, such as by sending a mail."""

from __future__ import annotations

from typing import Literal

from antiphon import RootSecret, Secret, Struct, event

type Reason = Literal["sign-up", "change"]
"""Why somebody says that an address is theirs: for a new account, or as the new email of the one they have."""

_PURPOSE = "password reset"
_CONFIRMING = "email confirmation"


@event("accounts:refresh-token-reused", key="user_id")
class RefreshTokenReused(Struct):
    """A refresh token was shown twice, so somebody has a copy. The sign-in has ended on every node."""

    user_id: str
    session_id: str


@event("accounts:password-reset-asked", key="user_id", keep="1h")
class PasswordResetAsked(Struct):
    """Somebody asked for a new password: the application sends them what `reset_token` gives, to `email`.

    It works once, for `identity.reset_time`. It is sealed here, because events are kept and read by many.
    """

    user_id: str
    email: str
    sealed: str


def password_reset_asked(root: RootSecret, user_id: str, email: str, token: str) -> PasswordResetAsked:
    """The event for a token that was made."""
    return PasswordResetAsked(user_id, email, root.seal(token, _PURPOSE))


def reset_token(root: RootSecret, asked: PasswordResetAsked) -> Secret[str]:
    """The token for the mail: `reset_token(ctx.get(RootSecret), event)`. Raises BadSeal for one that is not ours."""
    return root.unseal(asked.sealed, _PURPOSE)


@event("accounts:email-confirmation-asked", key="user_id", keep="1d")
class EmailConfirmationAsked(Struct):
    """An address waits to be confirmed: the application sends what `confirmation_token` gives, to `email`.

    It works once, for `accounts.confirm_time`, and with the password that was chosen. It is sealed here, because events
    are kept and read by many. `user_id` is that of the account, or the one that a sign-up will have.
    """

    user_id: str
    email: str
    sealed: str
    reason: Reason


@event("accounts:taken-email-given", key="user_id", keep="1d")
class TakenEmailGiven(Struct):
    """Somebody gave the address of an account as theirs, and was told nothing: the application tells its owner."""

    user_id: str
    email: str
    reason: Reason


def email_confirmation_asked(
    root: RootSecret, user_id: str, email: str, token: str, reason: Reason
) -> EmailConfirmationAsked:
    """The event for a token that was made."""
    return EmailConfirmationAsked(user_id, email, root.seal(token, _CONFIRMING), reason)


def confirmation_token(root: RootSecret, asked: EmailConfirmationAsked) -> Secret[str]:
    """The token for the mail: `confirmation_token(ctx.get(RootSecret), event)`. Raises BadSeal for one not ours."""
    return root.unseal(asked.sealed, _CONFIRMING)
