"""Compressed messages are read as strictly as plain ones, and no bomb is ever inflated."""

from __future__ import annotations

import tracemalloc
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame
from websockets.protocol import OPEN, Protocol, Side

from antiphon.wire.websocket.deflate import Deflate, Deflated
from antiphon.wire.websocket.events import Binary, Event, Fault, Ping
from antiphon.wire.websocket.frames import binary_frame, ping_frame, text_frame
from antiphon.wire.websocket.reading import FrameReader
from tests.wire.websocket import bytes_of
from tests.wire.websocket.bytes_of import CONTINUATION, OPEN_CONTINUATION, PING, TEXT
from tests.wire.websocket.test_malformed import GOOD, LIMIT, TABLE

PACKED_TEXT, PACKED_BINARY = 0xC1, 0xC2
OPEN_PACKED_TEXT, OPEN_PACKED_BINARY = 0x41, 0x42

# Rows of the table that mean something else where RSV1 is agreed on.
MEANT = {"text with RSV1", "empty text with RSV1", "binary with RSV1", "first fragment with RSV1"}
STRICT = [row for row in TABLE if row[1] not in MEANT]


def deflated(offers: str = "permessage-deflate") -> Deflated:
    """What a socket has agreed on."""
    agreed = Deflate().agree(offers)
    assert agreed is not None
    return agreed


def reader(limit_bytes: int = LIMIT) -> FrameReader:
    """A reader of a socket with compression."""
    return deflated().reader(limit_bytes)


def pack(data: bytes, level: int = 9) -> bytes:
    """A message as RFC 7692 §7.2.1 packs it."""
    packer = zlib.compressobj(level, wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def codes(events: list[Event]) -> list[int]:
    """The codes of the faults among them."""
    return [event.code for event in events if isinstance(event, Fault)]


def other_client(bits: int = 15) -> Protocol:
    """The other library's end of a compressed socket."""
    client = Protocol(Side.CLIENT, state=OPEN, max_size=1 << 20)
    client.extensions = [PerMessageDeflate(True, True, bits, 15)]
    return client


@pytest.mark.parametrize("sending", ["whole", "byte by byte", "after a good message"])
@pytest.mark.parametrize(("code", "data"), [(c, d) for c, _, d in STRICT], ids=[f"{c} {n}" for c, n, _ in STRICT])
def test_what_is_malformed_stays_so(code: int, data: bytes, sending: str) -> None:
    """Compression opens no way around the table of what is refused."""
    pieces = [data[at : at + 1] for at in range(len(data))] if sending == "byte by byte" else [data]
    if sending == "after a good message":
        pieces.insert(0, GOOD)
    tested = reader()

    events = [event for piece in pieces for event in tested.feed(piece)]

    assert codes(events) == [code]
    assert isinstance(events[-1], Fault)


@given(st.text(max_size=300), st.data())
def test_any_split_and_fragments_give_the_same_text(text: str, data: st.DataObject) -> None:
    """A packed message may be cut into fragments and segments anywhere, with pings between."""
    packed = pack(text.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(packed)), max_size=3)))
    parts = [packed[start:stop] for start, stop in pairwise([0, *cuts, len(packed)])]
    last = len(parts) - 1
    whole = bytes_of.frame(PING).join(
        bytes_of.frame((0 if at else OPEN_PACKED_TEXT) | (0x80 if at == last else 0), part)
        for at, part in enumerate(parts)
    )
    ends = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    tested = reader(2000)

    events = [event for start, stop in pairwise([0, *ends, len(whole)]) for event in tested.feed(whole[start:stop])]

    assert events == [*[Ping(b"")] * last, text.encode()]


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_a_message_up_to_the_limit_passes(size: int, level: int) -> None:
    """However little it was packed, as long as both sizes are within the limit."""
    packed = pack(b"a" * size, level)
    tested = reader(1010)

    assert tested.feed(bytes_of.frame(PACKED_TEXT, packed)) == [b"a" * size]
    assert tested.feed(bytes_of.frame(PACKED_BINARY, packed)) == [Binary(b"a" * size)]


def test_plain_messages_pass_between_packed_ones() -> None:
    """Each message says for itself whether it is packed."""
    data = bytes_of.frame(TEXT, b"plain") + bytes_of.frame(PACKED_TEXT, pack(b"packed"))
    data += bytes_of.frame(0x01, b"pl") + bytes_of.frame(CONTINUATION, b"ain") + bytes_of.frame(PACKED_TEXT, pack(b"p"))

    assert reader().feed(data) == [b"plain", b"packed", b"plain", b"p"]


def test_a_block_that_says_it_is_the_last_is_read() -> None:
    """Some clients flush with a final block and a zero byte (RFC 7692 §7.2.3.4)."""
    assert reader().feed(bytes_of.frame(PACKED_TEXT, b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00")) == [b"Hello"]


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 2, 65 * 1024])
@pytest.mark.parametrize("first", [PACKED_TEXT, PACKED_BINARY])
def test_a_bomb_is_refused(first: int, size: int) -> None:
    """1009 for one byte more than the limit after inflating, though it is small on the wire."""
    assert codes(list(reader().feed(bytes_of.frame(first, pack(b"a" * size))))) == [1009]


def test_a_bomb_is_not_inflated() -> None:
    """Ten megabytes within ten kilobytes: refused, and never more than the limit and zlib's own window held."""
    packed = pack(bytes(10_000_000))
    tested = reader(65_536)
    sent = bytes_of.frame(PACKED_BINARY, packed)
    tracemalloc.start()
    try:
        events = tested.feed(sent)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert codes(list(events)) == [1009]
    assert peak < 4 * 65_536


def test_a_bomb_of_64_kib_and_one_byte_is_refused() -> None:
    """The very border of the default limit, of which the byte before passes."""
    passes = bytes_of.frame(PACKED_TEXT, pack(b"a" * 65_536))
    bomb = bytes_of.frame(PACKED_TEXT, pack(b"a" * 65_537))

    assert reader(65_536).feed(passes) == [b"a" * 65_536]
    assert codes(list(reader(65_536).feed(bomb))) == [1009]


def test_a_bomb_in_fragments_is_refused_with_the_fragment_that_is_too_much() -> None:
    """Each fragment is inflated for itself; the first passes, the second crosses the limit though none has ended."""
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(b"a" * 600) + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(b"a" * 500) + packer.flush(zlib.Z_SYNC_FLUSH)
    tested = reader()

    before = tested.feed(bytes_of.frame(OPEN_PACKED_TEXT, first))
    after = tested.feed(bytes_of.frame(OPEN_CONTINUATION, second))

    assert list(before) == []
    assert codes(list(after)) == [1009]


def test_a_full_message_leaves_no_room_without_bound() -> None:
    """When fragments have used the limit up exactly, a following bomb is not taken for one without a limit."""
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(b"a" * LIMIT) + packer.flush(zlib.Z_SYNC_FLUSH)
    bomb = packer.compress(bytes(500_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    tested = reader()
    tested.feed(bytes_of.frame(OPEN_PACKED_BINARY, first))

    assert codes(list(tested.feed(bytes_of.frame(CONTINUATION, bomb)))) == [1009]


def test_the_packed_size_is_bounded_before_the_payload() -> None:
    """A head that says too much is refused without a byte of its payload."""
    assert codes(list(reader().feed(bytes_of.frame(PACKED_TEXT, says=LIMIT + 1)[:8]))) == [1009]


@pytest.mark.parametrize("junk", [b"\xff\xff\xff", b"\x07", b"\x00\x05\x00\x00\x00abc"])
def test_what_is_no_deflate_stream_is_refused(junk: bytes) -> None:
    """1002, without a word of zlib's."""
    events = list(reader().feed(bytes_of.frame(PACKED_TEXT, junk)))

    assert codes(events) == [1002]


def test_a_bad_byte_in_a_packed_text_fails_at_once() -> None:
    """1007 as soon as it can be inflated, though the message has not ended."""
    packer = zlib.compressobj(9, wbits=-15)
    first = packer.compress(b"abc\xff") + packer.flush(zlib.Z_SYNC_FLUSH)

    assert codes(list(reader().feed(bytes_of.frame(OPEN_PACKED_TEXT, first)))) == [1007]


@given(st.text(min_size=1, max_size=50))
def test_a_character_may_be_cut_between_packed_fragments(text: str) -> None:
    """Inflated pieces are checked on from where the last one ended."""
    packer = zlib.compressobj(9, wbits=-15)
    data, tested = text.encode(), reader(10_000)
    tested.feed(bytes_of.frame(OPEN_PACKED_TEXT))
    for at in range(len(data)):
        packed = packer.compress(data[at : at + 1]) + packer.flush(zlib.Z_SYNC_FLUSH)
        tested.feed(bytes_of.frame(OPEN_CONTINUATION, packed))

    assert tested.feed(bytes_of.frame(CONTINUATION, b"\x00")) == [data]


@pytest.mark.parametrize("text", [b"", b"short", b"a" * 126, b'{"n":1},' * 100, b"0123456789" * 6000])
def test_another_client_reads_what_is_packed(text: bytes) -> None:
    """Texts and binaries, packed or left as they are."""
    client, packer = other_client(), deflated()

    client.receive_data(packer.pack(text_frame(text)) + packer.pack(binary_frame(text)) + packer.pack(ping_frame()))

    read = [bytes(event.data) for event in client.events_received() if isinstance(event, Frame)]
    assert read == [text, text, b""]


@pytest.mark.parametrize("text", [b"", b"short", b'{"n":1},' * 100])
def test_we_read_what_another_client_packs(text: bytes) -> None:
    """One message after the other, as there is no context between them."""
    client, tested = other_client(), reader()
    for _ in range(3):
        client.send_text(text)

    assert tested.feed(b"".join(client.data_to_send())) == [text] * 3


def test_what_repeats_is_sent_smaller() -> None:
    """Which is what it is for."""
    whole = text_frame(b'{"event":"MessagePosted"},' * 100)

    assert len(deflated().pack(whole)) < len(whole) / 5


def test_what_does_not_get_smaller_is_sent_as_it_is() -> None:
    """A message may always go plain."""
    whole = binary_frame(bytes(range(256)))

    assert deflated().pack(whole) is whole


def test_a_broadcast_is_packed_once_for_all_with_the_same_window() -> None:
    """The same frame gives the same object on every socket of one window, and another on a smaller one."""
    deflate = Deflate()
    sockets = [deflate.agree(f"permessage-deflate{more}") for more in ("", "", "; server_max_window_bits=9")]
    whole = text_frame(b'{"event":"MessagePosted"},' * 300)

    packed = [socket.pack(whole) for socket in sockets if socket is not None]

    assert packed[0] is packed[1]
    assert packed[2] is not packed[0]
