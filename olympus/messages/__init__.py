"""The public messages: posted by anybody signed in, read by everybody signed in."""

from __future__ import annotations

from antiphon import Module

module = Module(__name__)
