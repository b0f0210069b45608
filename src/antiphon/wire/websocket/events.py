"""What a reader of frames can find: messages, pings, pongs, the close, and what breaks the protocol."""

from __future__ import annotations

from typing import NamedTuple


class Binary(NamedTuple):
    """A whole binary message."""

    data: bytes


class Ping(NamedTuple):
    """A question whether somebody is there; a pong with the same bytes answers it."""

    data: bytes


class Pong(NamedTuple):
    """An answer to a ping, or a sign of life that nobody asked for."""

    data: bytes


class Close(NamedTuple):
    """The other side's close frame, the last thing that is read; code 1005 when it had none."""

    code: int
    reason: str


class Fault(NamedTuple):
    """The stream cannot be read on; the code is to be closed with. Nothing comes after it, and it echoes no data."""

    code: int
    reason: str


# The most frequent event, a whole text message, is the bytes of its UTF-8 themselves, checked to be that. Wrapping
# them would cost as much as unmasking.
type Event = bytes | Binary | Ping | Pong | Close | Fault
