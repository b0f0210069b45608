"""What is framed here is what others read, byte for byte and through the codec of `websockets`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, Protocol, Side

from antiphon.wire.websocket.events import Binary, Close, Event, Ping, Pong
from antiphon.wire.websocket.frames import (
    binary_frame,
    close_frame,
    masked_frame,
    payload_at,
    ping_frame,
    pong_frame,
    text_frame,
)
from antiphon.wire.websocket.reading import FrameReader
from tests.wire.websocket.bytes_of import KEY, TEXT, frame

LIMIT = 1 << 20
SIZES = st.one_of(st.integers(0, 300), st.integers(65_500, 65_600))


def client() -> Protocol:
    """The other library's end."""
    return Protocol(Side.CLIENT, state=OPEN, max_size=LIMIT)


def read_by_the_other(data: bytes) -> list[tuple[int, bytes]]:
    """The opcodes and payloads that the other library's client reads."""
    other = client()
    other.receive_data(data)
    return [(event.opcode, bytes(event.data)) for event in other.events_received() if isinstance(event, Frame)]


@given(SIZES)
def test_the_other_reads_our_messages(size: int) -> None:
    """Texts and binaries of any size."""
    text = b"x" * size

    assert read_by_the_other(text_frame(text) + binary_frame(text)) == [(Opcode.TEXT, text), (Opcode.BINARY, text)]


@given(st.binary(max_size=125))
def test_the_other_reads_our_pings_and_pongs(payload: bytes) -> None:
    """With whatever they carry."""
    read = read_by_the_other(ping_frame(payload) + pong_frame(payload))

    assert read == [(Opcode.PING, payload), (Opcode.PONG, payload)]


@given(st.lists(st.one_of(st.text(max_size=300), st.binary(max_size=300), SIZES.map("x".__mul__)), max_size=4))
def test_we_read_the_messages_of_the_other(messages: list[str | bytes]) -> None:
    """Texts and binaries of any size, under the other's own keys."""
    other = client()
    expected: list[Event] = []
    for message in messages:
        if isinstance(message, str):
            other.send_text(message.encode())
            expected.append(message.encode())
        else:
            other.send_binary(message)
            expected.append(Binary(message))

    assert list(FrameReader(LIMIT).feed(b"".join(other.data_to_send()))) == expected


@given(st.lists(st.text(max_size=50), min_size=1, max_size=4))
def test_we_read_the_fragments_of_the_other(parts: list[str]) -> None:
    """A message in fragments with pings and pongs between them, then the close."""
    other = client()
    other.send_text(b"", fin=False)
    for part in parts:
        other.send_continuation(part.encode(), fin=False)
        other.send_ping(b"?")
        other.send_pong(b"!")
    other.send_continuation(b"", fin=True)
    other.send_close(4321, "bye €")

    events = FrameReader(LIMIT).feed(b"".join(other.data_to_send()))

    assert list(events) == [*[Ping(b"?"), Pong(b"!")] * len(parts), "".join(parts).encode(), Close(4321, "bye €")]


def test_a_close_says_its_code_and_reason() -> None:
    """The other library reads both."""
    other = client()
    other.receive_data(close_frame(4008, "too slow, ü"))

    assert other.close_rcvd is not None
    assert (other.close_rcvd.code, other.close_rcvd.reason) == (4008, "too slow, ü")


def test_a_close_without_a_code_is_empty() -> None:
    """1005 stands for no code, and is never sent (RFC 6455 §7.4.1)."""
    assert close_frame(1005) == b"\x88\x00"


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 2000, 5000, 65536])
def test_a_code_that_may_not_be_sent_is_not(code: int) -> None:
    """It would make the other side close with 1002."""
    with pytest.raises(ValueError, match=f"cannot carry {code}"):
        close_frame(code)


@pytest.mark.parametrize("reason", ["a" * 200, "€" * 100, "a" + "😀" * 40])
def test_a_long_reason_is_cut_between_characters(reason: str) -> None:
    """It is at most 123 bytes, and still UTF-8."""
    told = close_frame(1011, reason)[4:]

    assert 119 < len(told) <= 123
    assert reason.startswith(told.decode())


def test_a_control_frame_is_never_too_long() -> None:
    """126 bytes in a ping or pong are refused here rather than by the other side."""
    with pytest.raises(ValueError, match="125"):
        ping_frame(bytes(126))
    with pytest.raises(ValueError, match="125"):
        pong_frame(bytes(126))


@given(SIZES)
def test_a_client_masks_what_a_server_framed(size: int) -> None:
    """The same payload under a key; the head keeps its length."""
    text = b"x" * size

    assert masked_frame(text_frame(text), KEY) == frame(TEXT, text)


def test_every_mask_is_another() -> None:
    """Without a key given, nobody can foresee it: two frames of one text differ."""
    assert len({masked_frame(text_frame(b"the same text")) for _ in range(20)}) > 1


@given(SIZES)
def test_the_payload_is_found_in_a_frame(size: int) -> None:
    """Behind each form of the length."""
    whole = text_frame(b"x" * size)

    assert whole[payload_at(whole) :] == b"x" * size
