"""Channels: who is on a topic, for those whom its door lets in."""

from __future__ import annotations

from antiphon import Channels, Module

module = Module(__name__, needs=[Channels])
