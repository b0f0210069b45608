"""Accounts: people sign up, sign in and out, and change what is theirs; roles are granted and revoked."""

from __future__ import annotations

from antiphon import Module, Passwords, Sessions

module = Module(__name__, needs=[Passwords, Sessions])
