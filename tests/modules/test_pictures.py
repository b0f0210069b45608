"""How large a picture is: told from what stands before its pixels, for every format that may be uploaded."""

from __future__ import annotations

from io import BytesIO
from struct import pack

import pytest

from antiphon.modules.files.pictures import MOST_STEPS, Picture, measure

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


def size_of(content: bytes, kind: str) -> Picture | None:
    """The size of a picture whose file holds this."""
    return measure(BytesIO(content), kind)


@pytest.mark.parametrize(("kind", "head"), PICTURES, ids=NAMES)
def test_a_picture_says_its_size(kind: str, head: bytes) -> None:
    """Width and height are those in the header, as browsers read it."""
    assert size_of(head, kind) == Picture(640, 480)


@pytest.mark.parametrize(("kind", "head"), PICTURES, ids=NAMES)
def test_a_torn_picture_says_nothing_false(kind: str, head: bytes) -> None:
    """Cut off anywhere, a header gives its size or none, never an error."""
    assert {size_of(head[:end], kind) for end in range(len(head) + 1)} <= {None, Picture(640, 480)}


def test_a_screen_grows_to_its_images() -> None:
    """As it does in decoders, whichever image it is: the screen alone says too little."""
    small = b"GIF89a" + pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
    comment = b"\x21\xfe\x02ab\x00"
    first = b"\x2c" + pack("<HHHHB", 0, 0, 1, 1, 0x81) + bytes(12) + b"\x02\x01\x00\x00"
    second = b"\x2c" + pack("<HHHHB", 600, 400, 40, 80, 0) + b"\x02\x01\x00\x00"

    assert size_of(small + comment + first + b"\x3b", "image/gif") == Picture(1, 1)
    assert size_of(small + comment + first + second + b"\x3b", "image/gif") == Picture(640, 480)
    assert size_of(small + comment + first + b"?" + second, "image/gif") is None


def test_a_frame_is_found_behind_notes_and_stray_bytes() -> None:
    """However long the notes are, as decoders find it."""
    notes = b"\xff\xe1\xff\xff" + bytes(65_533)

    assert size_of(JPEG[:2] + notes * 20 + b"ab\xff\x00" + JPEG[2:], "image/jpeg") == Picture(640, 480)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("image/jpeg", b"\xff\xd8" + bytes(MOST_STEPS) + JPEG[2:]),
        ("image/gif", GIF + b"\x21\xfe" + b"\x01a" * MOST_STEPS + b"\x00\x3b"),
    ],
    ids=["jpeg", "gif"],
)
def test_a_picture_that_takes_too_long_has_no_size(kind: str, content: bytes) -> None:
    """Whoever measures it takes half a million steps, and not one more."""
    assert size_of(content, kind) is None


def test_what_is_no_picture_has_no_size() -> None:
    """Another type, or a picture of nothing, has none."""
    assert size_of(PNG, "text/plain") is None
    assert size_of(b"GIF89a" + bytes(8), "image/gif") is None
