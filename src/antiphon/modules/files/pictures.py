"""How large a picture is, from its first bytes: PNG, GIF, WebP and JPEG say so there."""

# The theory. A decoder would have to be trusted with bytes that anybody may send; the size alone needs none.
#
#   format      where its width and height are
#   PNG         IHDR, the first chunk: 4 + 4 bytes, big-endian, from byte 16
#   GIF         the screen descriptor: 2 + 2 bytes, little-endian, from byte 6
#   WebP VP8    the frame header: 2 + 2 bytes of 14 bits, little-endian, from byte 26
#   WebP VP8L   14 + 14 bits, each less one, from byte 21
#   WebP VP8X   3 + 3 bytes, each less one, little-endian, from byte 24
#   JPEG        a start of frame (FFC0…FFCF but C4, C8, CC): height, then width, 2 + 2 bytes, big-endian; the segments
#               before it are walked by their lengths

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

ENOUGH_BYTES = 1_048_576
"""How much of a file is looked at: a JPEG may carry long notes in front of its frame."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LONE = frozenset((0x01, *range(0xD0, 0xD8)))


class Picture(NamedTuple):
    """The size of a picture, in pixels."""

    width: int
    height: int


def measure(head: bytes, kind: str) -> Picture | None:
    """The size of a picture of this content type; None for what is none, or says none."""
    read = _READERS.get(kind)
    found = None if read is None else read(head)
    return found if found is not None and found.width > 0 and found.height > 0 else None


def _png(head: bytes) -> Picture | None:
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    return Picture(int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))


def _gif(head: bytes) -> Picture | None:
    if len(head) < 10:
        return None
    return Picture(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))


def _webp(head: bytes) -> Picture | None:
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8X":
            width, height = int.from_bytes(head[24:27], "little"), int.from_bytes(head[27:30], "little")
            return Picture(width + 1, height + 1)
        case b"VP8L" if head[20] == 0x2F:
            bits = int.from_bytes(head[21:25], "little")
            return Picture((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            width, height = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
            return Picture(width & 0x3FFF, height & 0x3FFF)
        case _:
            return None


def _jpeg(head: bytes) -> Picture | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1  # any number of them may fill the space before a marker
        elif marker in _LONE:
            at += 2
        elif marker in _FRAMES:
            return Picture(int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7]))
        else:
            at += 2 + max(2, int.from_bytes(head[at + 2 : at + 4]))
    return None


_READERS: dict[str, Callable[[bytes], Picture | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
    "image/jpeg": _jpeg,
}

MEASURED = frozenset(_READERS)
"""The content types of pictures whose size can be told."""
