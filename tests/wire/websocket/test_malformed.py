"""Every way to break RFC 6455 that we know is refused with its code, however the bytes arrive."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from antiphon.wire.websocket.events import Event, Fault
from antiphon.wire.websocket.reading import FrameReader
from tests.wire.websocket.bytes_of import (
    BINARY,
    CLOSE,
    CONTINUATION,
    OPEN_BINARY,
    OPEN_CONTINUATION,
    OPEN_TEXT,
    PING,
    PONG,
    TEXT,
    close,
    frame,
)

LIMIT = 1000
GOOD = frame(TEXT, b"good")

BROKEN: dict[str, bytes] = {
    # reserved bits
    "text with RSV1": frame(0xC1, b"a"),
    "text with RSV2": frame(0xA1, b"a"),
    "text with RSV3": frame(0x91, b"a"),
    "text with all reserved bits": frame(0xF1, b"a"),
    "empty text with RSV1": frame(0xC1),
    "binary with RSV1": frame(0xC2, b"a"),
    "binary with RSV3": frame(0x92, b"a"),
    "first fragment with RSV1": frame(0x41, b"a"),
    "continuation with RSV1": frame(OPEN_TEXT, b"a") + frame(0xC0, b"b"),
    "continuation with RSV2": frame(OPEN_TEXT, b"a") + frame(0xA0, b"b"),
    "ping with RSV1": frame(0xC9),
    "pong with RSV2": frame(0xAA),
    "close with RSV3": frame(0x98, b"\x03\xe8"),
    # opcodes
    **{f"opcode {code}": frame(0x80 | code, b"a") for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "opcode 3 in fragments": frame(0x03, b"a"),
    "opcode 11 in fragments": frame(0x0B, b"a"),
    "opcode 5 within a message": frame(OPEN_TEXT, b"a") + frame(0x85, b"b"),
    "opcode 15, empty": frame(0x8F),
    # control frames
    "close in fragments": frame(0x08),
    "ping in fragments": frame(0x09, b"a"),
    "pong in fragments": frame(0x0A, b"a"),
    "ping of 126 bytes": frame(PING, bytes(126)),
    "pong of 126 bytes": frame(PONG, bytes(126)),
    "close of 126 bytes": frame(CLOSE, b"\x03\xe8" + b"a" * 124),
    "ping of 65,536 bytes": frame(PING, bytes(65536)),
    "ping with a longer length than needed": frame(PING, b"a", form=2),
    "ping of 126 bytes within a message": frame(OPEN_TEXT, b"a") + frame(PING, bytes(126)),
    # fragments
    "continuation of nothing": frame(CONTINUATION, b"a"),
    "open continuation of nothing": frame(OPEN_CONTINUATION, b"a"),
    "empty continuation of nothing": frame(CONTINUATION),
    "continuation after a ping": frame(PING) + frame(CONTINUATION, b"a"),
    "continuation of a whole text": frame(TEXT, b"a") + frame(CONTINUATION, b"b"),
    "continuation of what has ended": frame(OPEN_TEXT, b"a") + frame(CONTINUATION, b"b") + frame(CONTINUATION, b"c"),
    "text within a text": frame(OPEN_TEXT, b"a") + frame(TEXT, b"b"),
    "open text within a text": frame(OPEN_TEXT, b"a") + frame(OPEN_TEXT, b"b"),
    "binary within a text": frame(OPEN_TEXT, b"a") + frame(BINARY, b"b"),
    "text within a binary": frame(OPEN_BINARY, b"a") + frame(TEXT, b"b"),
    "text after a ping within a text": frame(OPEN_TEXT, b"a") + frame(PING) + frame(TEXT, b"b"),
    "text within an empty text": frame(OPEN_TEXT) + frame(TEXT, b"b"),
    # masks
    "text without a mask": frame(TEXT, b"a", masked=False),
    "empty text without a mask": frame(TEXT, masked=False),
    "binary without a mask": frame(BINARY, b"a", masked=False),
    "ping without a mask": frame(PING, masked=False),
    "pong without a mask": frame(PONG, b"a", masked=False),
    "close without a mask": frame(CLOSE, b"\x03\xe8", masked=False),
    "long text without a mask": frame(TEXT, b"a" * 200, masked=False),
    "text of 121 bytes without a mask": frame(TEXT, b"a" * 121, masked=False),
    "continuation without a mask": frame(OPEN_TEXT, b"a") + frame(CONTINUATION, b"b", masked=False),
    # lengths
    "0 bytes in 16 bits": frame(TEXT, form=2),
    "5 bytes in 16 bits": frame(TEXT, b"hello", form=2),
    "125 bytes in 16 bits": frame(TEXT, b"a" * 125, form=2),
    "0 bytes in 64 bits": frame(TEXT, form=8),
    "5 bytes in 64 bits": frame(BINARY, b"hello", form=8),
    "126 bytes in 64 bits": frame(TEXT, b"a" * 126, form=8),
    "65,535 bytes in 64 bits": frame(TEXT, form=8, says=65535),
    "64 bits with the first one set": frame(TEXT, form=8, says=1 << 63),
    "64 bits, all set": frame(BINARY, form=8, says=(1 << 64) - 1),
    # closes
    "close of one byte": frame(CLOSE, b"\x03"),
    **{
        f"close with {code}": close(code)
        for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 65535)
    },
    "close with 1005 and a reason": close(1005, b"bye"),
}

NOT_UTF8: dict[str, bytes] = {
    "a byte 0x80": frame(TEXT, b"a\x80"),
    "a byte 0xFF": frame(TEXT, b"\xff"),
    "a byte 0xFE within": frame(TEXT, b"ab\xfecd"),
    "a longer form of a slash": frame(TEXT, b"\xc0\xaf"),
    "a longer form of NUL": frame(TEXT, b"\xe0\x80\x80"),
    "a longer form in four bytes": frame(TEXT, b"\xf0\x80\x80\x80"),
    "a surrogate": frame(TEXT, b"\xed\xa0\x80"),
    "a pair of surrogates": frame(TEXT, b"\xed\xa0\xbd\xed\xb8\x80"),
    "above U+10FFFF": frame(TEXT, b"\xf4\x90\x80\x80"),
    "five bytes": frame(TEXT, b"\xf8\x88\x80\x80\x80"),
    "half a character": frame(TEXT, b"a\xc3"),
    "two thirds of a character": frame(TEXT, "€".encode()[:2]),
    "three quarters of a character": frame(TEXT, "😀".encode()[:3]),
    "a long text with a bad end": frame(TEXT, b"a" * 500 + b"\xff"),
    "a long text that ends in a character": frame(TEXT, b"a" * 500 + b"\xe2\x82"),
    "a bad second fragment": frame(OPEN_TEXT, b"a") + frame(CONTINUATION, b"\xff"),
    "a character cut, and never ended": frame(OPEN_TEXT, b"\xc3") + frame(CONTINUATION),
    "a character cut, and another begun": frame(OPEN_TEXT, b"\xe2\x82") + frame(CONTINUATION, b"\xc3\xbc"),
    "a character cut by an ASCII text": frame(OPEN_TEXT, b"\xe2\x82") + frame(CONTINUATION, b"abc"),
    "a character cut three times": frame(OPEN_TEXT, b"\xf0") + frame(0, b"\x9f") + frame(CONTINUATION, b"\x98"),
    "a longer form, cut": frame(OPEN_TEXT, b"\xe0") + frame(CONTINUATION, b"\x80\x80"),
    "a fragment after a ping": frame(OPEN_TEXT, b"\xc3") + frame(PING) + frame(CONTINUATION, b"\xc3"),
    "the reason of a close": close(1000, b"\xff"),
    "the reason of a close, cut": close(1000, "€".encode()[:2]),
}

TOO_BIG: dict[str, bytes] = {
    "1,001 bytes": frame(TEXT, b"a" * 1001),
    "1,001 bytes of which none came": frame(TEXT, says=1001),
    "65,536 bytes": frame(BINARY, says=65536),
    "2^63 - 1 bytes": frame(TEXT, says=(1 << 63) - 1),
    "binary of 1,001 bytes": frame(BINARY, bytes(1001)),
    "an open fragment of 1,001 bytes": frame(OPEN_TEXT, says=1001),
    "600 and 401 bytes": frame(OPEN_TEXT, b"a" * 600) + frame(CONTINUATION, says=401),
    "1,000 and 1 bytes": frame(OPEN_BINARY, bytes(1000)) + frame(OPEN_CONTINUATION, b"a"),
    "1,000 bytes, a ping, and 1 byte": frame(OPEN_TEXT, b"a" * 1000) + frame(PING, b"a") + frame(CONTINUATION, b"a"),
    "101 fragments of 10 bytes": frame(OPEN_TEXT, b"a" * 10) + frame(OPEN_CONTINUATION, b"a" * 10) * 100,
}

TABLE = [
    *((1002, name, data) for name, data in BROKEN.items()),
    *((1007, name, data) for name, data in NOT_UTF8.items()),
    *((1009, name, data) for name, data in TOO_BIG.items()),
]
ROWS = pytest.mark.parametrize(
    ("code", "data"), [(code, data) for code, _, data in TABLE], ids=[f"{code} {name}" for code, name, _ in TABLE]
)


def read(pieces: Sequence[bytes]) -> list[Event]:
    """All events of a fresh reader."""
    reader = FrameReader(LIMIT)
    return [event for piece in pieces for event in reader.feed(piece)]


def one_by_one(data: bytes) -> list[bytes]:
    """Each byte for itself."""
    return [data[at : at + 1] for at in range(len(data))]


@ROWS
def test_it_is_refused_in_one_segment(code: int, data: bytes) -> None:
    """Sent whole, its last event is the fault with its code."""
    events = read([data])

    assert [event.code for event in events if isinstance(event, Fault)] == [code]
    assert isinstance(events[-1], Fault)


@ROWS
def test_it_is_refused_byte_by_byte(code: int, data: bytes) -> None:
    """Sent byte by byte, it gives the very same events."""
    events = read(one_by_one(data))

    assert events == read([data])
    assert isinstance(events[-1], Fault)
    assert events[-1].code == code


@ROWS
def test_it_is_refused_after_a_good_message(code: int, data: bytes) -> None:
    """A good message in the same segment is given first, and nothing of the fault's is."""
    events = read([GOOD + data])

    assert events == [b"good", *read([data])]


@ROWS
def test_nothing_is_read_after_it(code: int, data: bytes) -> None:
    """Good messages behind a fault are never given, in the same segment or the next."""
    assert read([data + GOOD, GOOD, GOOD]) == read([data])


@ROWS
def test_its_reason_echoes_nothing(code: int, data: bytes) -> None:
    """The reason fits into a close frame and is made of our own words."""
    fault = read([data])[-1]

    assert isinstance(fault, Fault)
    assert fault.reason.isascii()
    assert len(fault.reason) <= 123
