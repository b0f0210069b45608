"""How large a picture is, from what stands before its pixels: PNG, GIF, WebP and JPEG say so there."""

# The theory. A decoder would have to be trusted with bytes that anybody may send; the size alone needs none. It has to
# be the size that a decoder would make room for, or the bound on pixels could be gone around.
#
#   format      where its width and height are
#   PNG         IHDR, the first chunk: 4 + 4 bytes, big-endian, from byte 16
#   GIF         the screen descriptor: 2 + 2 bytes, little-endian, from byte 6; and every image in it, because decoders
#               let the screen grow to the images: left, top, width, height, 2 bytes each
#   WebP VP8    the frame header: 2 + 2 bytes of 14 bits, little-endian, from byte 26
#   WebP VP8L   14 + 14 bits, each less one, from byte 21
#   WebP VP8X   3 + 3 bytes, each less one, little-endian, from byte 24
#   JPEG        a start of frame (FFC0…FFCF but C4, C8, CC): height, then width, 2 + 2 bytes, big-endian; the segments
#               before it are walked by their lengths, and what stands between them is skipped, as libjpeg does

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

MOST_STEPS = 500_000
"""Segments, blocks and stray bytes that are walked. A picture that says no size within them says none."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LONE = frozenset((0x00, 0x01, *range(0xD0, 0xD8)))
_IMAGE, _EXTENSION, _TRAILER = b"\x2c", b"\x21", b"\x3b"


class Picture(NamedTuple):
    """The size of a picture, in pixels."""

    width: int
    height: int


def measure(content: BinaryIO, kind: str) -> Picture | None:
    """The size of a picture of this content type; None for what is none, or says none.

    It is read here and there, for up to about a second: ask from a thread. Raises OSError.
    """
    read = _READERS.get(kind)
    if read is None:
        return None
    found = read(content)
    return found if found is not None and found.width > 0 and found.height > 0 else None


def _at(content: BinaryIO, at: int, count: int) -> bytes:
    content.seek(at)
    return content.read(count)


def _png(content: BinaryIO) -> Picture | None:
    head = _at(content, 0, 24)
    if len(head) < 24 or head[12:16] != b"IHDR":
        return None
    return Picture(int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))


def _gif(content: BinaryIO) -> Picture | None:
    head = _at(content, 0, 13)
    if len(head) < 13:
        return None
    width, height = _shorts(head, 6)
    at, in_blocks = 13 + _colours(head[10]), False
    for _ in range(MOST_STEPS):
        first = _at(content, at, 1)
        if not first or (first == _TRAILER and not in_blocks):
            # Of one that was cut off nothing more is shown either.
            return Picture(width, height)
        if in_blocks:
            # Each says its length; an empty one is the last.
            at, in_blocks = at + 1 + first[0], first != b"\0"
        elif first == _EXTENSION:
            at, in_blocks = at + 2, True
        elif first == _IMAGE and len(image := content.read(9)) == 9:
            left, top, wide, high = *_shorts(image, 0), *_shorts(image, 4)
            width, height = max(width, left + wide), max(height, top + high)
            at, in_blocks = at + 11 + _colours(image[8]), True
        else:
            return None
    return None


def _shorts(data: bytes, at: int) -> tuple[int, int]:
    return int.from_bytes(data[at : at + 2], "little"), int.from_bytes(data[at + 2 : at + 4], "little")


def _colours(flags: int) -> int:
    """The bytes of a table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _webp(content: BinaryIO) -> Picture | None:
    head = _at(content, 0, 30)
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
            width, height = _shorts(head, 26)
            return Picture(width & 0x3FFF, height & 0x3FFF)
        case _:
            return None


def _jpeg(content: BinaryIO) -> Picture | None:
    at = 2
    for _ in range(MOST_STEPS):
        segment = _at(content, at, 9)
        if len(segment) < 9:
            return None
        marker = segment[1]
        if segment[0] != 0xFF or marker == 0xFF:
            # Stray bytes, and those that fill the space before a marker.
            at += 1
        elif marker in _FRAMES:
            return Picture(int.from_bytes(segment[7:9]), int.from_bytes(segment[5:7]))
        elif marker in _LONE:
            at += 2
        else:
            at += 2 + max(2, int.from_bytes(segment[2:4]))
    return None


_READERS: dict[str, Callable[[BinaryIO], Picture | None]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
    "image/jpeg": _jpeg,
}

MEASURED = frozenset(_READERS)
"""The content types of pictures whose size can be told."""
