"""Builds frames bit by bit, right or wrong, without any of the code that is being tested."""

from __future__ import annotations

KEY = b"\x37\xfa\x21\x3d"

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x80, 0x81, 0x82, 0x88, 0x89, 0x8A
"""First bytes of final frames; without 0x80 the message goes on."""

OPEN_CONTINUATION, OPEN_TEXT, OPEN_BINARY = 0x00, 0x01, 0x02


def frame(first: int, payload: bytes = b"", *, masked: bool = True, form: int | None = None, says: int = -1) -> bytes:
    """One frame of a client. `form` is 0, 2 or 8 bytes of longer length, the shortest unless given; `says` lies."""
    size = len(payload) if says < 0 else says
    if form is None:
        form = 0 if size < 126 else 2 if size < 65536 else 8
    bit = 0x80 if masked else 0
    head = bytes([first, bit | (size if form == 0 else 126 if form == 2 else 127)])
    head += size.to_bytes(form) if form else b""
    if not masked:
        return head + payload
    return head + KEY + bytes(byte ^ KEY[at % 4] for at, byte in enumerate(payload))


def close(code: int, reason: bytes = b"") -> bytes:
    """A client's close frame."""
    return frame(CLOSE, code.to_bytes(2) + reason)
