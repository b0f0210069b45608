"""A socket on our own server costs nothing at rest, is bounded whatever a client does, and says its last word."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from antiphon.testing.waiting import wait_until
from antiphon.wire.websocket.connection import SocketProtocol
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame
from tests.wire.websocket import bytes_of
from tests.wire.websocket.bytes_of import CONTINUATION, OPEN_TEXT, PING, PONG, TEXT
from tests.wire.websocket.stage import LIMIT, Kind, Recorder, Stage, on_stage


@pytest.fixture(params=["own", "deflate"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """Our own server, with and without compression."""
    kind: Kind = request.param
    async with on_stage(kind) as opened:
        yield opened


async def test_a_message_behind_the_handshake_is_read(stage: Stage) -> None:
    """A client may send it in one segment with its request."""
    async with stage.raw(bytes_of.frame(TEXT, b"early") + bytes_of.frame(PING, b"?")) as client:
        assert await client.frames(2) == [(1, b"early"), (10, b"?")]


async def test_half_a_frame_behind_the_handshake_is_kept(stage: Stage) -> None:
    """The rest of it comes later."""
    data = bytes_of.frame(TEXT, b"early")
    async with stage.raw(data[:4]) as client:
        await client.send(data[4:])

        assert await client.frames() == [(1, b"early")]


async def test_a_ping_is_sent_when_asked(stage: Stage) -> None:
    """The pong that comes back is a sign of life, and no more is told of it."""
    async with stage.raw() as client:
        stage.inbox.socket.ping()

        assert await client.frames() == [(9, b"")]
        await client.send(bytes_of.frame(PONG))
        await wait_until(lambda: stage.inbox.all("life"), "the pong was never told")
        assert [name for name, _ in stage.inbox.told] == ["open", "life"]


@pytest.mark.parametrize(
    "data",
    [
        bytes_of.frame(PING),
        bytes_of.frame(PONG, b"unasked"),
        bytes_of.frame(OPEN_TEXT, b"a"),
        bytes_of.frame(TEXT, b"a" * 1000)[:500],
    ],
    ids=["ping", "pong", "fragment", "half a frame"],
)
async def test_anything_is_a_sign_of_life(stage: Stage, data: bytes) -> None:
    """Whoever sends a large message over a thin line cannot answer a ping within it."""
    async with stage.raw() as client:
        await client.send(data)
        await wait_until(lambda: stage.inbox.all("life"), "no sign of life was told")

        assert stage.inbox.all("text") == []


async def test_a_text_is_not_told_twice(stage: Stage) -> None:
    """A message says by itself that somebody is there."""
    async with stage.raw() as client:
        await client.send(bytes_of.frame(TEXT, b"a"))
        await client.frames()

    assert stage.inbox.all("life") == []


async def test_messages_of_one_segment_end_with_the_close(stage: Stage) -> None:
    """The layer above closes at the second of five: the other three are never told."""

    def close_at_two(socket: Socket, data: bytes) -> None:
        if data == b"2":
            socket.close(4029, "too many")

    stage.inbox.answer = close_at_two
    async with stage.raw() as client:
        await client.send(b"".join(bytes_of.frame(TEXT, b"%d" % n) for n in range(1, 6)))

        assert await client.frames() == [(8, (4029).to_bytes(2) + b"too many")]
    assert stage.inbox.all("text") == [b"1", b"2"]


async def test_the_last_word_is_not_lost_in_what_a_client_still_sends(stage: Stage) -> None:
    """A megabyte behind a fault does not reset the connection before the client has read why."""
    async with stage.raw() as client:
        await client.send(bytes_of.frame(TEXT, b"a", masked=False) + bytes(1_000_000))

        assert await client.close_code() == 1002
    assert await stage.inbox.gone() == [1002]


async def test_a_client_that_stays_after_a_fault_is_ended(stage: Stage) -> None:
    """It may go on sending for ten seconds, then the connection is cut."""
    async with stage.raw() as client:
        await client.send(b"\xff\xff")
        await client.frames()
        socket = stage.inbox.socket
        socket.check(5.0)
        await client.send(bytes(1000))
        before = stage.inbox.all("gone")
        socket.check(15.0)

        assert await stage.inbox.gone() == [1002]
        assert before == []


async def test_a_client_that_closes_and_does_not_read_is_ended(stage: Stage) -> None:
    """What waits for it is thrown away ten seconds after its close."""
    async with stage.raw(receive_bytes=4096, plain=True) as client:
        socket = stage.inbox.socket
        for _ in range(300):
            socket.send(text_frame(b"x" * 30_000))
        await wait_until(lambda: socket.is_paused, "the client took all of it")
        await client.send(bytes_of.close(1000))
        await wait_until(lambda: not socket.is_open, "the close was never read")
        socket.check(5.0)
        before = stage.inbox.all("gone")
        socket.check(15.0)

        assert await stage.inbox.gone() == [1000]
        assert before == []


async def test_a_client_that_ends_its_half_and_does_not_read_is_ended(stage: Stage) -> None:
    """Half an open connection does not stay because its buffer is full."""
    async with stage.raw(receive_bytes=4096, plain=True) as client:
        socket = stage.inbox.socket
        for _ in range(300):
            socket.send(text_frame(b"x" * 30_000))
        client.finish_sending()
        await wait_until(lambda: not socket.is_open, "the end was never read")
        socket.check(5.0)
        socket.check(15.0)

        assert await stage.inbox.gone() == [1006]


async def test_pings_that_nobody_reads_the_answers_of_fill_no_memory(stage: Stage) -> None:
    """Pongs stop while the client takes none: RFC 6455 §5.5.3 lets them be left out."""
    async with stage.raw(receive_bytes=4096) as client:
        pings = bytes_of.frame(PING, bytes(125)) * 2000
        highest = 0
        for _ in range(100):
            await client.send(pings)
            highest = max(highest, stage.inbox.socket.waiting_bytes)
        await wait_until(lambda: stage.inbox.socket.is_paused, "the pongs never filled the transport")

        # The transport's own high-water mark, and what is under way when it is crossed.
        assert highest < 512 * 1024


async def test_a_close_in_the_middle_of_a_message_is_answered(stage: Stage) -> None:
    """What had come of the message is dropped."""
    async with stage.raw() as client:
        await client.send(bytes_of.frame(OPEN_TEXT, b"half") + bytes_of.close(1001, b"away"))

        assert await client.close_code() == 1001
    assert stage.inbox.all("text") == []


async def test_a_fault_while_closing_says_no_second_word(stage: Stage) -> None:
    """One close frame is all a socket ever sends."""
    async with stage.raw() as client:
        stage.inbox.socket.close(4001, "silent")
        await client.frames()
        await client.send(bytes_of.frame(TEXT, b"a", masked=False))

        assert await client.rest() == b""
    assert await stage.inbox.gone() == [4001]


async def test_a_close_that_may_not_be_sent_closes_nothing(stage: Stage) -> None:
    """The mistake is ours and is raised; the socket stays open."""
    async with stage.raw() as client:
        with pytest.raises(ValueError, match="1006"):
            stage.inbox.socket.close(1006)
        await client.send(bytes_of.frame(TEXT, b"still here"))

        assert await client.frames() == [(1, b"still here")]


async def test_a_message_in_pieces_between_others_is_whole(stage: Stage) -> None:
    """Fragments, pings and whole messages, byte by byte through a real connection."""
    data = bytes_of.frame(TEXT, b"one") + bytes_of.frame(OPEN_TEXT, b"t") + bytes_of.frame(PING)
    data += bytes_of.frame(CONTINUATION, b"wo") + bytes_of.frame(TEXT, b"three" * 100)
    async with stage.raw(plain=True) as client:
        for at in range(len(data)):
            await client.send(data[at : at + 1])
            await asyncio.sleep(0)

        assert await client.frames(4) == [(1, b"one"), (10, b""), (1, b"two"), (1, b"three" * 100)]


class WholeTransport(asyncio.Transport):
    """A transport over TLS: it has no halves, and writes down what it is told to do."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = ""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        self.written += bytes(data)

    def can_write_eof(self) -> bool:
        """TLS cannot."""
        return False

    def close(self) -> None:
        """Note it."""
        self.ended = "closed"

    def abort(self) -> None:
        """Note it."""
        self.ended = "aborted"

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0


def test_where_there_are_no_halves_the_whole_is_closed() -> None:
    """Over TLS a fault ends with the close frame and the connection's own end."""
    transport, socket = WholeTransport(), SocketProtocol(Recorder(), LIMIT)
    socket.connection_made(transport)

    socket.data_received(b"\xff\xff")

    assert transport.written[:4] == b"\x88" + transport.written[1:2] + (1002).to_bytes(2)
    assert transport.ended == "closed"


def test_before_the_hand_over_nothing_is_sent() -> None:
    """A socket that nobody has connected yet is not open, and asking it anything does no harm."""
    socket = SocketProtocol(Recorder(), LIMIT)

    socket.send(text_frame(b"a"))
    socket.ping()
    socket.close(1000)
    socket.abort()
    socket.check(1.0)

    assert not socket.is_open
    assert socket.waiting_bytes == 0


def test_a_socket_at_rest_costs_less_than_300_bytes() -> None:
    """The protocol and its codec, after messages in pieces, control frames and answers; its transport apart."""
    inbox, transport = Recorder(), WholeTransport()
    inbox.answer = lambda socket, data: None
    data = bytes_of.frame(TEXT, b"a" * 50) + bytes_of.frame(OPEN_TEXT, b"a") + bytes_of.frame(PING)
    data += bytes_of.frame(CONTINUATION, b"b" * 500)
    sockets = [SocketProtocol(inbox, LIMIT) for _ in range(10)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        sockets = [SocketProtocol(inbox, LIMIT) for _ in range(100)]
        for socket in sockets:
            socket.connection_made(transport)
            for at in range(0, len(data), 7):
                socket.data_received(data[at : at + 7])
            inbox.told.clear()
            inbox.sockets.clear()
            transport.written = b""
        held = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()

    assert len(sockets) == 100
    assert held / 100 < 300
