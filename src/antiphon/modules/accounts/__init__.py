"""Accounts: people sign up, sign in and out, and change what is theirs; roles are granted and revoked."""

from __future__ import annotations

from antiphon import Audit, Lockout, Module, Passwords, Roles, Sessions, Tickets
from antiphon.modules.accounts import tables_identity
from antiphon.modules.accounts.reports import (
    EmailConfirmationAsked,
    PasswordResetAsked,
    RefreshTokenReused,
    TakenEmailGiven,
    confirmation_token,
    reset_token,
)
from antiphon.modules.accounts.tables import DEFAULT_TENANT_ID, metadata
from antiphon.modules.accounts.tables import users as users_table
from antiphon.modules.accounts.users import PublicUser, Users

_ = tables_identity  # imported so that `metadata` holds its tables

__all__ = [
    "DEFAULT_TENANT_ID",
    "EmailConfirmationAsked",
    "PasswordResetAsked",
    "PublicUser",
    "RefreshTokenReused",
    "TakenEmailGiven",
    "Users",
    "confirmation_token",
    "metadata",
    "module",
    "reset_token",
    "users_table",
]

module = Module(__name__, needs=[Audit, Lockout, Passwords, Roles, Sessions, Tickets])
