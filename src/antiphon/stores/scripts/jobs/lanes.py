"""Reads what `lanes.lua` writes: who holds a place in a lane, and who waits."""

from __future__ import annotations

import re

_LANE = re.compile(rb"([0-9a-f]+):")
_WAITING = re.compile(rb"[0-9a-f]+-\d+ \d (\S+) \S+")


def holders_of(place: bytes) -> list[bytes]:
    """The members that a job with this place has while it holds one in each of its lanes."""
    lanes = place.rpartition(b" ")[2]
    return [lane + b"+" + place for lane in _LANE.findall(lanes)]


def waiting_in(member: bytes) -> str | None:
    """The id of the job that waits there; None for one that holds its place."""
    found = _WAITING.fullmatch(member)
    return None if found is None else found[1].decode()
