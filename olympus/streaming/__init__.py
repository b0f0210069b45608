"""A stream to try: numbers, one at a time."""

from __future__ import annotations

from antiphon import Module

module = Module(__name__)
