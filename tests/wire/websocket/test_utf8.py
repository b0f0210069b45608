"""A text is UTF-8 or it is refused, at the first byte that no continuation could mend."""

from __future__ import annotations

import pytest

from antiphon.wire.websocket.events import Event, Fault
from antiphon.wire.websocket.reading import FrameReader
from tests.wire.websocket.bytes_of import CONTINUATION, OPEN_CONTINUATION, OPEN_TEXT, PING, TEXT, frame

# The borders of RFC 3629 §4, the first and last of each length, planes, private use and non-characters, which are
# characters to UTF-8 all the same.
GOOD = [
    "",
    "a",
    "hello µ@ßöäüàá",
    "κόσμε",
    "\0",
    "\x7f",
    "\x80",
    "\u07ff",
    "\u0800",
    "\ud7ff",
    "\ue000",
    "\ufffd",
    "\ufffe",
    "\uffff",
    "\ufdd0",
    "\U00010000",
    "\U0001f600",
    "\U0001fffe",
    "\U0003ffff",
    "\U000ffffe",
    "\U0010fffd",
    "\U0010ffff",
    "😀" * 40,
    "a€😀é" * 30,
    "日本語のテキスト",
]
# The bytes, and how many of them are looked at until it is certain: with the next one nothing could be mended.
BAD = [
    (b"\x80", 1),
    (b"\xbf", 1),
    (b"a\xbfb", 2),
    (b"\xc0\x80", 1),
    (b"\xc1\xbf", 1),
    (b"\xc3(", 2),
    (b"\xc3\xc3", 2),
    (b"\xe0\x80\x80", 2),
    (b"\xe0\x9f\xbf", 2),
    (b"\xe2\x82a", 3),
    (b"\xe2(\xa1", 2),
    (b"\xed\xa0\x80", 2),
    (b"\xed\xad\xbf", 2),
    (b"\xed\xbf\xbf", 2),
    (b"\xef\xbf\xc0", 3),
    (b"\xf0\x80\x80\xaf", 2),
    (b"\xf0\x8f\xbf\xbf", 2),
    (b"\xf0\x9f(\x80", 3),
    (b"\xf0\x9f\x98(", 4),
    (b"\xf4\x90\x80\x80", 2),
    (b"\xf4\xbf\xbf\xbf", 2),
    (b"\xf5\x80\x80\x80", 1),
    (b"\xf7\xbf\xbf\xbf", 1),
    (b"\xf8\x88\x80\x80\x80", 1),
    (b"\xfb\xbf\xbf\xbf\xbf", 1),
    (b"\xfc\x84\x80\x80\x80\x80", 1),
    (b"\xfe", 1),
    (b"\xff", 1),
    (b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited", 13),
]
CUT = [b"\xc3", b"\xe2", b"\xe2\x82", b"\xf0", b"\xf0\x9f", b"\xf0\x9f\x98", b"ok\xdf", b"\xf4\x8f\xbf"]


def told(reader: FrameReader, *pieces: bytes) -> list[Event]:
    """All events of these pieces."""
    return [event for piece in pieces for event in reader.feed(piece)]


def codes(events: list[Event]) -> list[int]:
    """The codes of the faults among them."""
    return [event.code for event in events if isinstance(event, Fault)]


@pytest.mark.parametrize("text", GOOD, ids=ascii)
def test_every_character_passes(text: str) -> None:
    """Whole, and cut into two fragments at every byte."""
    data = text.encode()
    reader = FrameReader(1000)

    whole = told(reader, frame(TEXT, data))
    cut = [told(reader, frame(OPEN_TEXT, data[:at]), frame(CONTINUATION, data[at:])) for at in range(len(data) + 1)]

    assert whole == [data]
    assert cut == [[data]] * len(cut)


@pytest.mark.parametrize("text", GOOD, ids=ascii)
def test_every_character_passes_in_fragments_of_one_byte(text: str) -> None:
    """A fragment for each byte, with pings between them and empty ones around."""
    data = text.encode()
    pieces = [frame(OPEN_CONTINUATION, data[at : at + 1]) + frame(PING) for at in range(len(data))]

    events = told(FrameReader(1000), frame(OPEN_TEXT), *pieces, frame(CONTINUATION))

    assert events[-1] == data


@pytest.mark.parametrize(("data", "certain"), BAD, ids=lambda value: value.hex() if isinstance(value, bytes) else None)
def test_a_bad_byte_fails_at_once(data: bytes, certain: int) -> None:
    """In a frame of 500 bytes of which the rest never came, the fault is there with the byte that makes it certain."""
    sent = frame(TEXT, data + b"a" * (500 - len(data)))
    reader = FrameReader(1000)

    before = told(reader, sent[: 8 + certain - 1])
    after = told(reader, sent[8 + certain - 1 : 8 + certain])

    assert before == []
    assert codes(after) == [1007]


@pytest.mark.parametrize(("data", "certain"), BAD, ids=lambda value: value.hex() if isinstance(value, bytes) else None)
def test_a_bad_byte_fails_at_once_over_fragments(data: bytes, certain: int) -> None:
    """Each byte in a fragment of its own, of a message that has not ended: the fault does not wait for its end."""
    reader = FrameReader(1000)
    told(reader, frame(OPEN_TEXT))

    faults = [codes(told(reader, frame(OPEN_CONTINUATION, data[at : at + 1]))) for at in range(certain)]

    assert faults == [[]] * (certain - 1) + [[1007]]


@pytest.mark.parametrize(("data", "_"), BAD, ids=lambda value: value.hex() if isinstance(value, bytes) else None)
def test_bad_bytes_pass_in_no_kind_of_frame(data: bytes, _: int) -> None:
    """Short and whole, long and whole, and behind another message."""
    sent = [frame(TEXT, data), frame(TEXT, b"a" * 300 + data), frame(TEXT, b"a") + frame(TEXT, data)]

    assert [codes(told(FrameReader(1000), one)) for one in sent] == [[1007]] * 3


@pytest.mark.parametrize("data", CUT, ids=bytes.hex)
def test_a_text_does_not_end_within_a_character(data: bytes) -> None:
    """What could be mended is a fault at the end of the message, and not before."""
    reader = FrameReader(1000)

    assert codes(told(FrameReader(1000), frame(TEXT, data))) == [1007]
    assert told(reader, frame(OPEN_TEXT, data)) == []
    assert codes(told(reader, frame(CONTINUATION))) == [1007]


def test_binary_data_need_not_be_utf8() -> None:
    """Only texts are looked at."""
    events = told(FrameReader(1000), frame(0x82, b"\xff\xfe"), frame(0x02, b"\xff"), frame(CONTINUATION, b"\xfe"))

    assert [event[0] for event in events if not isinstance(event, bytes)] == [b"\xff\xfe"] * 2


def test_one_text_leaves_nothing_to_the_next() -> None:
    """A character cut between fragments ends with its message; the rest of one cannot begin the next."""
    reader = FrameReader(1000)

    events = told(reader, frame(OPEN_TEXT, b"\xc3"), frame(CONTINUATION, b"\xbc"), frame(OPEN_TEXT, b"\xbc"))

    assert events[0] == "ü".encode()
    assert codes(events) == [1007]
