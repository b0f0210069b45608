"""A replay: a range of a log that a listener is told of again."""

from __future__ import annotations

from datetime import datetime

import msgspec


class Replay(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is told again: everything behind `after` up to `until` (ids of entries), of this key if there is one.

    `again` gives its jobs new names for what they do, so that effects which were made once are made again.
    """

    id: str
    listener: str
    after: str
    until: str
    begun_at: datetime
    key: str = ""
    again: bool = False


_decode = msgspec.json.Decoder(Replay).decode


def read_replay(text: str | bytes) -> Replay | None:
    """The replay that was noted so; None for no text."""
    return _decode(text) if text else None


def write_replay(replay: Replay) -> bytes:
    """As it is noted."""
    return msgspec.json.encode(replay)
