"""What accounts announce: facts that an application may want to act on, such as by sending a mail."""

from __future__ import annotations

from antiphon import RootSecret, Secret, Struct, event

_PURPOSE = "password reset"


@event("accounts:refresh-token-reused", key="user_id")
class RefreshTokenReused(Struct):
    """A refresh token was shown twice, so somebody has a copy. The sign-in has ended on every node."""

    user_id: str
    session_id: str


@event("accounts:password-reset-asked", key="user_id", keep="1h")
class PasswordResetAsked(Struct):
    """Somebody asked for a new password: the application sends them what `reset_token` gives, to `email`.

    It works once, for half an hour. It is sealed here, because events are kept and read by many.
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
