"""The public messages: posted by anybody signed in, and shown to everybody signed in as they come."""

from __future__ import annotations

from antiphon import Module

module = Module(__name__)
