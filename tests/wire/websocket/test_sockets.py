"""A socket keeps the same promises on our own server, with compression, and behind an ASGI server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from antiphon.testing.waiting import wait_until
from antiphon.wire.response import Response
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame
from tests.wire.websocket import bytes_of
from tests.wire.websocket.bytes_of import CONTINUATION, OPEN_CONTINUATION, OPEN_TEXT, PING, TEXT
from tests.wire.websocket.stage import KINDS, LIMIT, Kind, Stage, on_stage, take
from tests.wire.websocket.test_malformed import BROKEN, NOT_UTF8

# What the codec of an ASGI server refuses as well; the whole table is promised for our own only.
EVERYWHERE = (
    "text with RSV2",
    "opcode 3",
    "opcode 11",
    "ping in fragments",
    "ping of 126 bytes",
    "continuation of nothing",
    "text within a text",
    "text without a mask",
    "close of one byte",
    "close with 1005",
)


@pytest.fixture(params=KINDS)
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    """A server of each kind."""
    kind: Kind = request.param
    async with on_stage(kind) as opened:
        yield opened


@pytest.mark.parametrize("size", [0, 1, 125, 126, 400, 65_535, 65_536])
async def test_a_text_comes_and_goes(stage: Stage, size: int) -> None:
    """Of any length up to the limit, both ways."""
    text = "0123456789" * (size // 10) + "x" * (size % 10)
    async with stage.client() as client:
        await client.send(text)

        assert await take(client, 1) == [text]
    assert stage.inbox.all("text") == [text.encode()]


async def test_the_first_frame_follows_the_handshake(stage: Stage) -> None:
    """What is sent as soon as the socket is open comes behind the 101, before anything else."""
    stage.inbox.hello = b"hello"
    async with stage.client() as client:
        await client.send("a")

        assert await take(client, 2) == ["hello", "a"]


async def test_every_character_comes_and_goes(stage: Stage) -> None:
    """Texts are UTF-8 both ways."""
    text = "añ€😀\0\u2028" * 50
    async with stage.client() as client:
        await client.send(text)

        assert await take(client, 1) == [text]


async def test_many_messages_keep_their_order(stage: Stage) -> None:
    """Sent at once, told and answered in the order in which they were sent."""
    texts = [f"message {n} " * (n % 40) for n in range(300)]
    async with stage.client() as client:
        for text in texts:
            await client.send(text)

        assert await take(client, 300) == texts


async def test_fragments_are_one_message(stage: Stage) -> None:
    """However many frames it took."""
    async with stage.client() as client:
        await client.send(["a", "b€", "", "c" * 1000])

        assert await take(client, 1) == ["ab€" + "c" * 1000]
    assert stage.inbox.all("text") == [("ab€" + "c" * 1000).encode()]


async def test_the_subprotocol_is_confirmed(stage: Stage) -> None:
    """The one that both speak, and the headers of the layer above go with it."""
    async with stage.client() as client:
        assert client.subprotocol == "antiphon.v1"
        assert client.response is not None
        assert client.response.headers["x-stage"] == stage.kind


async def test_the_door_sees_the_request(stage: Stage) -> None:
    """Headers, path and scheme, to decide by."""
    async with stage.client(additional_headers={"Cookie": "session=abc"}, origin="https://other.example"):
        (request,) = stage.requests

    assert request.header(b"origin") == "https://other.example"
    assert request.header(b"cookie") == "session=abc"
    assert request.path == b"/ws"
    assert request.method == "GET"


async def test_the_door_can_refuse(stage: Stage) -> None:
    """With a status and a body of its own; no socket opens."""
    stage.refusal = Response(429, [(b"retry-after", b"7"), (b"content-type", b"text/plain")], b"Too many.")

    with pytest.raises(InvalidStatus) as refused:
        async with stage.client():
            pass

    response = refused.value.response
    assert (response.status_code, response.headers["retry-after"], response.body) == (429, "7", b"Too many.")
    assert stage.inbox.told == []


async def test_a_message_over_the_limit_closes_with_1009(stage: Stage) -> None:
    """One byte too many, and it is never told."""
    async with stage.client(compression=None) as client:
        await client.send("a" * (LIMIT + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await take(client, 1)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert await stage.inbox.gone() == [1009]
    assert stage.inbox.all("text") == []


async def test_the_limit_counts_bytes_and_not_characters(stage: Stage) -> None:
    """40,000 characters of two bytes are too many."""
    async with stage.client() as client:
        await client.send("ü" * 40_000)
        with pytest.raises(ConnectionClosed):
            await take(client, 1)

    assert await stage.inbox.gone() == [1009]


async def test_a_packed_message_over_the_limit_closes_with_1009(stage: Stage) -> None:
    """It is small on the wire where compression was agreed on, and too big all the same."""
    async with stage.client() as client:
        await client.send("a" * (LIMIT + 1))
        with pytest.raises(ConnectionClosed):
            await take(client, 1)

    assert await stage.inbox.gone() == [1009]


async def test_a_binary_is_told_without_its_data(stage: Stage) -> None:
    """The layer above refuses it with 1003."""
    async with stage.client() as client:
        await client.send(b"\0\1\2")
        with pytest.raises(ConnectionClosed) as closed:
            await take(client, 1)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003
    assert stage.inbox.all("binary") == [None]


@pytest.mark.parametrize("name", EVERYWHERE)
async def test_a_broken_frame_closes_with_1002(stage: Stage, name: str) -> None:
    """The client is told the code, and the connection ends."""
    async with stage.raw() as client:
        await client.send(BROKEN[name])

        assert await client.close_code() == 1002
    assert await stage.inbox.gone() == [1002]


@pytest.mark.parametrize("name", ["a byte 0xFF", "a surrogate", "half a character", "a bad second fragment"])
async def test_what_is_not_utf8_closes_with_1007(stage: Stage, name: str) -> None:
    """And is never told."""
    async with stage.raw() as client:
        await client.send(NOT_UTF8[name])

        assert await client.close_code() == 1007
    assert await stage.inbox.gone() == [1007]
    assert stage.inbox.all("text") == []


async def test_a_ping_is_answered_with_its_own_bytes(stage: Stage) -> None:
    """Also between the fragments of a message."""
    async with stage.raw() as client:
        await client.send(bytes_of.frame(OPEN_TEXT, b"a") + bytes_of.frame(PING, b"there?"))
        await client.send(bytes_of.frame(CONTINUATION, b"b"))

        assert await client.frames(2) == [(10, b"there?"), (1, b"ab")]


async def test_the_server_closes_with_code_and_reason(stage: Stage) -> None:
    """What was sent before arrives before, and the socket has gone with that code."""
    async with stage.client() as client:
        socket = stage.inbox.socket
        socket.send(text_frame(b"last words"))
        socket.close(4501, "signed out, ü")

        assert await take(client, 1) == ["last words"]
        with pytest.raises(ConnectionClosed) as closed:
            await take(client, 1)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4501, "signed out, ü")
    assert await stage.inbox.gone() == [4501]


async def test_nothing_is_sent_or_told_once_closing(stage: Stage) -> None:
    """Frames sent after the close are dropped, and so is what the client sends before it knows."""

    def close_and_go_on(socket: Socket, data: bytes) -> None:
        socket.close(4500, "enough")
        socket.close(4501, "twice")
        socket.send(text_frame(b"too late"))
        assert not socket.is_open

    stage.inbox.answer = close_and_go_on
    async with stage.raw() as client:
        await client.send(bytes_of.frame(TEXT, b"one") + bytes_of.frame(TEXT, b"two"))

        assert await client.frames() == [(8, (4500).to_bytes(2) + b"enough")]
        await client.send(bytes_of.close(4500))
        assert await client.rest() == b""
    assert await stage.inbox.gone() == [4500]
    assert stage.inbox.all("text") == [b"one"]


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
async def test_the_client_closes(stage: Stage, code: int) -> None:
    """Its code comes back to it, and the socket has gone with that code, once."""
    async with stage.client() as client:
        await client.close(code, "bye")
        assert client.close_code == code

    assert await stage.inbox.gone() == [code]
    assert not stage.inbox.socket.is_open


async def test_a_client_that_closes_without_a_code_is_answered_without_one(stage: Stage) -> None:
    """No code is 1005 to us, and nothing on the wire."""
    async with stage.raw() as client:
        await client.send(bytes_of.frame(bytes_of.CLOSE))

        assert await client.frames() == [(8, b"")]
        assert await client.rest() == b""
    assert await stage.inbox.gone() == [1005]


async def test_a_client_that_vanishes_has_gone(stage: Stage) -> None:
    """Reset without a word: nothing stays behind. An ASGI server may say 1005 of it."""
    async with stage.raw() as client:
        await client.send(bytes_of.frame(TEXT, b"hello"))
        await client.frames()
        client.reset()

        (code,) = await stage.inbox.gone()
    assert code in ((1005, 1006) if stage.kind == "asgi" else (1006,))


async def test_a_client_that_ends_its_half_has_gone(stage: Stage) -> None:
    """The end of the stream without a close frame is the end."""
    async with stage.raw() as client:
        client.finish_sending()

        assert await client.rest() in (b"", b"\x88\x00")
        assert len(await stage.inbox.gone()) == 1


async def test_the_server_can_end_it_without_a_word(stage: Stage) -> None:
    """Abort: the connection is gone, and that is told once."""
    async with stage.raw() as client:
        stage.inbox.socket.abort()
        stage.inbox.socket.abort()

        assert await stage.inbox.gone() == [1006]
        await client.rest()


async def test_a_frame_is_framed_once_for_many(stage: Stage) -> None:
    """The same bytes go to every socket."""
    async with stage.client() as one, stage.client() as two, stage.client(compression=None) as three:
        frame = text_frame(b'{"event":"MessagePosted"},' * 100)
        for socket in stage.inbox.sockets:
            socket.send(frame)
            socket.send(frame)

        taken = [await take(client, 2) for client in (one, two, three)]
    assert taken == [['{"event":"MessagePosted"},' * 100] * 2] * 3


async def test_a_slow_reader_is_seen_and_waited_for(stage: Stage) -> None:
    """What it does not take is counted; once it has taken it, that is told, and nothing is lost or out of order."""
    async with stage.raw(receive_bytes=4096, plain=True) as client:
        socket = stage.inbox.socket
        texts = [b"%06d" % n + bytes(range(48, 122)) * 200 for n in range(700)]
        for text in texts:
            socket.send(text_frame(text))
        await wait_until(lambda: socket.is_paused, "the socket never said that its client is slow")
        waiting = socket.waiting_bytes

        taken = [payload for _, payload in await client.frames(len(texts))]

        assert waiting > 64 * 1024
        assert [text[:6] for text in taken] == [text[:6] for text in texts]
        await wait_until(lambda: stage.inbox.all("room"), "nobody said that there is room again")
        assert not socket.is_paused
        assert socket.waiting_bytes == 0


async def test_a_close_that_is_not_answered_ends_after_ten_seconds(stage: Stage) -> None:
    """By the clock of whoever looks once a second, which begins with its first look."""
    async with stage.raw() as client:
        socket = stage.inbox.socket
        socket.close(4001, "silent")
        await client.frames()
        for now in (1000.0, 1001.0, 1009.9):
            socket.check(now)
        early = stage.inbox.all("gone")
        socket.check(1010.0)

        assert await stage.inbox.gone() == [4001]
        # An ASGI server does the handshake of closing itself, and says at once that it will.
        assert early == ([4001] if stage.kind == "asgi" else [])


async def test_an_open_socket_is_left_alone_by_the_look(stage: Stage) -> None:
    """Looking ends nothing that nobody has closed."""
    async with stage.client() as client:
        for now in (1.0, 100.0, 10_000.0):
            stage.inbox.socket.check(now)
        await client.send("still here")

        assert await take(client, 1) == ["still here"]


async def test_no_bytes_wait_on_a_socket_at_rest(stage: Stage) -> None:
    """Nothing waits, nobody is slow."""
    async with stage.client() as client:
        await client.send("a")
        await take(client, 1)
        socket = stage.inbox.socket
        await wait_until(lambda: socket.waiting_bytes == 0, "the bytes were never taken")

        assert not socket.is_paused


async def test_fragments_over_the_limit_close_with_1009(stage: Stage) -> None:
    """The message counts, not its frames."""
    part = bytes_of.frame(OPEN_CONTINUATION, b"a" * 20_000)
    async with stage.raw() as client:
        await client.send(
            bytes_of.frame(OPEN_TEXT, b"a" * 20_000) + part * 2 + bytes_of.frame(CONTINUATION, b"a" * 20_000)
        )

        assert await client.close_code() == 1009
    assert await stage.inbox.gone() == [1009]
