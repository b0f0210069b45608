"""How large a picture is: told from its first bytes, for every format that may be uploaded."""

from __future__ import annotations

from struct import pack

import pytest

from antiphon.modules.files.pictures import Picture, measure

JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xff\xc2\x00\x11\x08" + pack(">HH", 480, 640) + bytes(10)
PNG = b"\x89PNG\r\n\x1a\n" + pack(">I", 13) + b"IHDR" + pack(">II", 640, 480) + bytes(5)
GIF = b"GIF89a" + pack("<HH", 640, 480) + bytes(3)
SIZES = (639).to_bytes(3, "little") + (479).to_bytes(3, "little")
EXTENDED = b"RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00" + bytes(4) + SIZES
LOSSLESS = b"RIFF\x00\x00\x00\x00WEBPVP8L\x0a\x00\x00\x00\x2f" + (639 | 479 << 14).to_bytes(4, "little") + bytes(8)
LOSSY = b"RIFF\x00\x00\x00\x00WEBPVP8 \x0a\x00\x00\x00" + bytes(3) + b"\x9d\x01\x2a" + pack("<HH", 640, 480)

PICTURES = [
    ("image/jpeg", JPEG),
    ("image/png", PNG),
    ("image/gif", GIF),
    ("image/webp", EXTENDED),
    ("image/webp", LOSSLESS),
    ("image/webp", LOSSY),
]
NAMES = ["jpeg", "png", "gif", "extended", "lossless", "lossy"]


@pytest.mark.parametrize(("kind", "head"), PICTURES, ids=NAMES)
def test_a_picture_says_its_size(kind: str, head: bytes) -> None:
    """Width and height are those in the header, as browsers read it."""
    assert measure(head, kind) == Picture(640, 480)


@pytest.mark.parametrize(("kind", "head"), PICTURES, ids=NAMES)
def test_a_torn_picture_says_nothing_false(kind: str, head: bytes) -> None:
    """Cut off anywhere, a header gives its size or none, never an error."""
    assert {measure(head[:end], kind) for end in range(len(head) + 1)} <= {None, Picture(640, 480)}


def test_what_is_no_picture_has_no_size() -> None:
    """Another type, or a picture of nothing, has none."""
    assert measure(PNG, "text/plain") is None
    assert measure(b"GIF89a" + bytes(8), "image/gif") is None
