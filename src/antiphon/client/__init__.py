"""Clients of the socket: this one for Python, and `antiphon.js` for browsers and Node, with the same abilities."""

from __future__ import annotations

from antiphon.client.client import Client
from antiphon.client.errors import CallError, ConnectionLost, Field
from antiphon.client.told import Change, Event, Hello, Member, Position, Presence, Reset, State
from antiphon.client.watch import Watch

__all__ = [
    "CallError",
    "Change",
    "Client",
    "ConnectionLost",
    "Event",
    "Field",
    "Hello",
    "Member",
    "Position",
    "Presence",
    "Reset",
    "State",
    "Watch",
]
