"""Trace context: who caused this, across processes (W3C Trace Context)."""

from __future__ import annotations

import re
from random import getrandbits
from typing import NamedTuple

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KEY = r"(?:[a-z][_0-9a-z\-*/]{0,255}|[a-z0-9][_0-9a-z\-*/]{0,240}@[a-z][_0-9a-z\-*/]{0,13})"
_MEMBER = re.compile(rf"({_KEY})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{0,255}}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_MOST_MEMBERS = 32
# What every system must carry on (§3.3.1.5). It goes into jobs and events, so it is also all that we carry.
_MOST_CHARACTERS = 512
_SAMPLED = 1


class Trace(NamedTuple):
    """One span of a trace: the ids as lower-case hex, whether it is recorded, and what other systems added."""

    trace_id: str
    span_id: str
    sampled: bool
    state: str = ""

    @property
    def parent(self) -> str:
        """The `traceparent` that makes whoever receives it a child of this span."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def child(self) -> Trace:
        """A new span of the same trace."""
        return Trace(self.trace_id, _new_id(64), self.sampled, self.state)


def new_trace(*, sampled: bool = False) -> Trace:
    """The first span of a new trace. Its ids name things and are no secrets."""
    return Trace(_new_id(128), _new_id(64), sampled)


def read_trace(parent: str | None, state: str | None = None) -> Trace | None:
    """The span of the sender, from `traceparent` and `tracestate`, or None when there is none that is valid.

    A later version is read as far as this one goes (§3.2.4). A bad `tracestate` is dropped alone (§3.3).
    """
    if parent is None:
        return None
    found = _PARENT.fullmatch(parent)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Trace(trace_id, span_id, bool(int(flags, 16) & _SAMPLED), _read_state(state) if state else "")


def join_trace(parent: str | None, state: str | None = None, *, sampled: bool = False) -> Trace:
    """The span of a call: a child of the sender's, or the first of a new trace, which `sampled` is for."""
    sender = read_trace(parent, state)
    return new_trace(sampled=sampled) if sender is None else sender.child()


def _read_state(state: str) -> str:
    members: list[str] = []
    keys: set[str] = set()
    for piece in state.split(","):
        member = piece.strip(" \t")
        if not member:
            continue
        found = _MEMBER.fullmatch(member)
        if found is None or found[1] in keys or len(members) == _MOST_MEMBERS:
            return ""
        keys.add(found[1])
        members.append(member)
    # Whole members go, from the right, where the oldest stand.
    while sum(map(len, members)) + len(members) - 1 > _MOST_CHARACTERS:
        members.pop()
    return ",".join(members)


def _new_id(bits: int) -> str:
    # All zeros means "none" on the wire.
    return f"{getrandbits(bits) or 1:0{bits // 4}x}"
