"""Accounts: people sign up, sign in and out, and change what is theirs; roles are granted and revoked."""

from __future__ import annotations

from antiphon import Module, Passwords, Sessions, Tickets
from antiphon.modules.accounts.tables import metadata
from antiphon.modules.accounts.tables import users as users_table
from antiphon.modules.accounts.users import PublicUser, Users

__all__ = ["PublicUser", "Users", "metadata", "module", "users_table"]

module = Module(__name__, needs=[Passwords, Sessions, Tickets])
