"""Frames as they are sent (RFC 6455 §5.2): framed once as bytes, and written to any number of sockets."""

from __future__ import annotations

from secrets import token_bytes

from antiphon.wire.websocket.closing import NO_CODE, is_sendable
from antiphon.wire.websocket.masking import mask

#    first byte            second byte         then
#   ┌───┬──────┬────────┐ ┌──────┬──────────┐ ┌─────────────────────────┬──────────┬─────────┐
#   │FIN│RSV1-3│ opcode │ │ MASK │ length   │ │ longer length           │ key      │ payload │
#   │ 1 │  3   │   4    │ │  1   │ 7        │ │ 126: 2 bytes, 127: 8    │ 4 if MASK│         │
#   └───┴──────┴────────┘ └──────┴──────────┘ └─────────────────────────┴──────────┴─────────┘
#
#   0 continuation  1 text  2 binary  8 close  9 ping  10 pong; 3-7 and 11-15 are not known
#
# Numbers are in network order, and the shortest form of a length is the only one. A client masks, a server does not.

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FINAL = 0x80
MASKED = 0x80
CONTROL_BYTES = 125
"""The longest payload of a close, ping or pong, and the longest that needs no longer length."""

_SHORT_TEXT = tuple(bytes((FINAL | TEXT, size)) for size in range(CONTROL_BYTES + 1))


def text_frame(payload: bytes) -> bytes:
    """A server's frame of a whole text message; `payload` must be UTF-8."""
    size = len(payload)
    return _SHORT_TEXT[size] + payload if size <= CONTROL_BYTES else frame(TEXT, payload)


def binary_frame(payload: bytes) -> bytes:
    """A server's frame of a whole binary message."""
    return frame(BINARY, payload)


def ping_frame(payload: bytes = b"") -> bytes:
    """A server's ping with at most 125 bytes, which come back in the pong; ValueError for more."""
    return frame(PING, _control(payload))


def pong_frame(payload: bytes = b"") -> bytes:
    """A server's pong with the bytes of the ping; ValueError for more than 125."""
    return frame(PONG, _control(payload))


def close_frame(code: int, reason: str = "") -> bytes:
    """A server's close frame; 1005 gives one without a code. The reason is cut to the 123 bytes it may have.

    ValueError for a code that may not be sent.
    """
    if code == NO_CODE:
        return frame(CLOSE, b"")
    if not is_sendable(code):
        raise ValueError(f"A close frame cannot carry {code}: use 1000 to 1003, 1007 to 1014, or 3000 to 4999.")
    told = reason.encode()[: CONTROL_BYTES - 2]
    # Cut inside a character, the reason would be the very error that the other side must answer with 1007.
    return frame(CLOSE, code.to_bytes(2) + told.decode(errors="ignore").encode())


def frame(opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0) -> bytes:
    """A server's frame. `reserved` are the RSV bits where an extension has given them a meaning (0x40 is RSV1)."""
    first, size = opcode | reserved | (FINAL if final else 0), len(payload)
    if size <= CONTROL_BYTES:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return b"%c\x7e%b%b" % (first, size.to_bytes(2), payload)
    return b"%c\x7f%b%b" % (first, size.to_bytes(8), payload)


def payload_at(frame: bytes) -> int:
    """Where the payload begins in one whole frame of a server."""
    size = frame[1]
    return 2 if size <= CONTROL_BYTES else 4 if size == 126 else 10


def masked_frame(frame: bytes, key: bytes | None = None) -> bytes:
    """The frame of a server as a client must send it, with a key nobody can foresee (RFC 6455 §5.3)."""
    key = token_bytes(4) if key is None else key
    at = payload_at(frame)
    return b"%c%c%b%b%b" % (frame[0], frame[1] | MASKED, frame[2:at], key, mask(frame[at:], key))


def _control(payload: bytes) -> bytes:
    if len(payload) > CONTROL_BYTES:
        raise ValueError(f"A ping or pong holds at most {CONTROL_BYTES} bytes; these are {len(payload)}.")
    return payload
