"""Status: how the application is, and what it can do."""

from __future__ import annotations

from antiphon import Module

module = Module(__name__)
