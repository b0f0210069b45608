"""Frames are read the same however they arrive, bounded, and with nothing held when nothing is under way."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.websocket.events import Binary, Close, Event, Fault, Ping, Pong
from antiphon.wire.websocket.frames import binary_frame, close_frame, frame, ping_frame, pong_frame, text_frame
from antiphon.wire.websocket.reading import FrameReader, ServerFrameReader
from tests.wire.websocket import bytes_of
from tests.wire.websocket.bytes_of import CONTINUATION, OPEN_CONTINUATION, OPEN_TEXT, PING, PONG, TEXT

LIMIT = 70_000
SIZES = (0, 1, 2, 3, 4, 5, 119, 120, 121, 124, 125, 126, 127, 128, 131, 132, 200, 255, 256, 65_534, 65_535, 65_536)

CONTROL = st.one_of(
    st.binary(max_size=125).map(lambda data: (bytes_of.frame(PING, data), Ping(data))),
    st.binary(max_size=125).map(lambda data: (bytes_of.frame(PONG, data), Pong(data))),
)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """The bytes of one message, perhaps in fragments with control frames between them, and the events they give."""
    if draw(st.booleans()):
        text = draw(st.text(max_size=200)).encode()
        first, payload, event = 1, text, text
    else:
        payload = draw(st.binary(max_size=200))
        first, event = 2, Binary(payload)
    cuts = sorted(draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    data, events = b"", list[Event]()
    parts = [payload[start:stop] for start, stop in pairwise([0, *cuts, len(payload)])]
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        data += bytes_of.frame((0 if at else first) | (0x80 if last else 0), part)
        if last:
            events.append(event)
        elif draw(st.booleans()):
            control, told = draw(CONTROL)
            data += control
            events.append(told)
    return data, events


STREAMS = st.lists(st.one_of(messages(), CONTROL.map(lambda one: (one[0], [one[1]]))), min_size=1, max_size=6)


@given(STREAMS, st.data())
def test_any_split_gives_the_same_events(stream: list[tuple[bytes, list[Event]]], data: st.DataObject) -> None:
    """Segments may end anywhere: what is read depends on the bytes alone."""
    whole = b"".join(part for part, _ in stream)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    reader = FrameReader(LIMIT)

    events = [event for start, stop in pairwise([0, *cuts, len(whole)]) for event in reader.feed(whole[start:stop])]

    assert events == [event for _, told in stream for event in told]


@given(STREAMS)
def test_byte_by_byte_gives_the_same_events(stream: list[tuple[bytes, list[Event]]]) -> None:
    """The smallest segments there are lose nothing."""
    whole = b"".join(part for part, _ in stream)
    reader = FrameReader(LIMIT)

    events = [event for at in range(len(whole)) for event in reader.feed(whole[at : at + 1])]

    assert events == [event for _, told in stream for event in told]


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_are_more_than_a_fault(pieces: list[bytes]) -> None:
    """Whatever anyone sends, nothing is raised, and nothing comes after a fault or a close."""
    reader = FrameReader(200)

    events = [event for piece in pieces for event in reader.feed(piece)]

    ends = [at for at, event in enumerate(events) if isinstance(event, Fault | Close)]
    assert ends in ([], [len(events) - 1])
    assert reader.is_over is bool(ends)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("behind", [b"", bytes_of.frame(PING, b"p")])
def test_a_text_of_any_length_is_read_whole(size: int, behind: bytes) -> None:
    """Around every border of the length forms, alone in its segment or not."""
    text = (b"0123456789" * 7000)[:size]

    events = FrameReader(LIMIT).feed(bytes_of.frame(TEXT, text) + behind)

    assert list(events) == [text, *([Ping(b"p")] if behind else [])]


@pytest.mark.parametrize("size", SIZES)
def test_what_a_server_frames_a_client_reads(size: int) -> None:
    """The other direction, without masks, at every border of the length forms."""
    text = (b"0123456789" * 7000)[:size]

    assert ServerFrameReader(LIMIT).feed(text_frame(text) + binary_frame(text)) == [text, Binary(text)]


def test_control_frames_of_a_server_are_read() -> None:
    """Ping, pong and close come through a client's reader with what they carry."""
    data = ping_frame(b"a") + pong_frame(b"b") + close_frame(4001, "silent")

    assert ServerFrameReader(LIMIT).feed(data) == [Ping(b"a"), Pong(b"b"), Close(4001, "silent")]


def test_a_client_takes_no_masked_frame() -> None:
    """A mask from a server is a fault (RFC 6455 §5.1)."""
    assert ServerFrameReader(LIMIT).feed(bytes_of.frame(TEXT, b"a"))[-1][0] == 1002


@pytest.mark.parametrize("key", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x02\x03\x04"])
@pytest.mark.parametrize("cut", range(6, 20))
def test_a_mask_goes_on_over_segments(key: bytes, cut: int) -> None:
    """The key turns with every byte, wherever the payload is cut."""
    text = b"hello, world!"
    data = b"\x81\x8d" + key + bytes(byte ^ key[at % 4] for at, byte in enumerate(text))
    reader = FrameReader(LIMIT)

    assert [*reader.feed(data[:cut]), *reader.feed(data[cut:])] == [text]


@pytest.mark.parametrize("opcode", [1, 2])
def test_the_limit_itself_is_allowed(opcode: int) -> None:
    """A message of exactly the limit passes, whole and in fragments, and an empty end is no byte too many."""
    data = bytes_of.frame(0x80 | opcode, b"a" * 200)
    data += bytes_of.frame(opcode, b"a" * 150) + bytes_of.frame(OPEN_CONTINUATION, b"a" * 50)
    data += bytes_of.frame(CONTINUATION)

    events = FrameReader(200).feed(data)

    assert [event if isinstance(event, bytes) else event[0] for event in events] == [b"a" * 200] * 2


def test_a_size_is_refused_before_its_payload() -> None:
    """The head alone says too much: the fault does not wait for a byte of the payload."""
    head = bytes_of.frame(TEXT, b"", form=8, says=1 << 40)

    assert FrameReader(65_536).feed(head[:10])[0][0] == 1009


def test_a_limit_below_a_control_frame_is_refused() -> None:
    """The fast way relies on it, and no socket is of use with less."""
    with pytest.raises(ValueError, match="125"):
        FrameReader(124)


def held_bytes(pieces: list[bytes], *, readers: int) -> float:
    """What one reader holds after these pieces, by the interpreter's own count, as the mean of many."""
    kept: list[FrameReader] = [None] * readers  # pyright: ignore[reportAssignmentType]  # filled at once below
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for at in range(readers):
            kept[at] = FrameReader(LIMIT)
            for piece in pieces:
                kept[at].feed(piece)
        return (tracemalloc.get_traced_memory()[0] - before) / readers
    finally:
        tracemalloc.stop()


def test_an_idle_reader_holds_nothing() -> None:
    """After messages, fragments and control frames in any pieces no buffer is left, and under 100 bytes in all."""
    data = bytes_of.frame(OPEN_TEXT, b"a") + bytes_of.frame(PING) + bytes_of.frame(CONTINUATION, b"b" * 500)

    assert held_bytes([data[at : at + 1] for at in range(len(data))], readers=100) < 100


def test_a_message_byte_by_byte_costs_no_more_than_its_size() -> None:
    """A client that trickles makes us hold its bytes, and no object for each of them."""
    data = bytes_of.frame(OPEN_TEXT, b"a" * 60_000)

    assert held_bytes([data[at : at + 1] for at in range(len(data))], readers=1) < 2 * 60_000


def test_a_close_ends_the_reading() -> None:
    """What a client sends behind its close frame is dropped, in the same segment and later."""
    reader = FrameReader(LIMIT)

    events = reader.feed(bytes_of.close(1000, b"bye") + bytes_of.frame(TEXT, b"more"))

    assert list(events) == [Close(1000, "bye")]
    assert reader.is_over
    assert not reader.feed(bytes_of.frame(TEXT, b"more"))


def test_a_close_may_stand_within_a_message() -> None:
    """A client that goes in the middle of a message has gone, and broken nothing (RFC 6455 §5.4)."""
    data = bytes_of.frame(OPEN_TEXT, b"half") + bytes_of.close(1001)

    assert FrameReader(LIMIT).feed(data) == [Close(1001, "")]


def test_an_unknown_reserved_frame_cannot_be_unpacked() -> None:
    """Without an extension nothing packed is ever begun."""
    assert FrameReader(LIMIT).feed(frame(1, b"a", reserved=0x40))[0][0] == 1002
