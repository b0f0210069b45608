"""A socket behind an ASGI server ends well, however that server behaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from antiphon.testing.waiting import wait_until
from antiphon.wire.lifespan import Event
from antiphon.wire.request import Request
from antiphon.wire.response import FixedHeaders, Response
from antiphon.wire.websocket.asgi import Welcome, serve_socket
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame
from tests.wire.websocket.stage import Recorder

LIMIT = 1000


class AsgiServer:
    """An ASGI server without a network: a test says what comes, and sees what is put."""

    def __init__(self, **scope: Any) -> None:
        self.scope: dict[str, Any] = {
            "type": "websocket",
            "path": "/ws",
            "query_string": b"",
            "http_version": "1.1",
            "headers": [(b"host", b"test")],
            "scheme": "wss",
        } | scope
        self.coming: asyncio.Queue[Event] = asyncio.Queue()
        self.put: list[Event] = []
        self.fails: type[Exception] | None = None
        self.room = asyncio.Event()
        self.room.set()
        self.come("websocket.connect")

    def come(self, type: str, **event: Any) -> None:
        """Say what comes next."""
        self.coming.put_nowait({"type": type, **event})

    async def send(self, event: Event) -> None:
        """Take what is put."""
        await self.room.wait()
        if self.fails is not None:
            raise self.fails
        self.put.append(event)

    def types(self) -> list[str]:
        """What was put, by type."""
        return [event["type"] for event in self.put]

    @asynccontextmanager
    async def serving(self, door: Callable[[Request], Any]) -> AsyncGenerator[asyncio.Task[None]]:
        """Run the application for a block, which sees to its end."""
        task = asyncio.create_task(serve_socket(self.scope, self.coming.get, self.send, door))
        yield task
        async with asyncio.timeout(10):
            await asyncio.wait([task])


@asynccontextmanager
async def opened(server: AsgiServer, inbox: Recorder) -> AsyncGenerator[tuple[Socket, asyncio.Task[None]]]:
    """A socket that has opened."""
    async with server.serving(lambda request: Welcome(inbox, LIMIT)) as task:
        await wait_until(lambda: inbox.sockets, "the socket never opened")
        yield inbox.socket, task


@pytest.mark.parametrize("extensions", [{}, {"extensions": None}, {"extensions": {}}])
async def test_a_server_that_knows_one_refusal_gives_that(extensions: dict[str, Any]) -> None:
    """Without `websocket.http.response` the socket is closed before the accept, which is a 403."""
    server = AsgiServer(**extensions)

    async with server.serving(lambda request: Response(429, [], b"Too many.")):
        pass

    assert server.types() == ["websocket.close"]


async def test_a_refusal_is_a_whole_answer() -> None:
    """With status, all headers, length and body, where the server can."""
    server = AsgiServer(extensions={"websocket.http.response": {}})
    fixed = FixedHeaders([(b"x-fixed", b"1")])

    async with server.serving(lambda request: Response(401, [(b"x-own", b"2")], b"Sign in.", fixed)):
        pass

    assert server.put == [
        {
            "type": "websocket.http.response.start",
            "status": 401,
            "headers": [(b"x-own", b"2"), (b"x-fixed", b"1"), (b"content-length", b"8")],
        },
        {"type": "websocket.http.response.body", "body": b"Sign in."},
    ]


async def test_the_door_may_take_its_time() -> None:
    """It may have to look at a session first."""
    server, inbox, seen = AsgiServer(), Recorder(), list[Request]()

    async def door(request: Request) -> Welcome:
        seen.append(request)
        await asyncio.sleep(0)
        return Welcome(inbox, LIMIT)

    async with server.serving(door):
        server.come("websocket.disconnect", code=1000)

    assert server.types() == ["websocket.accept"]
    assert (seen[0].scheme, seen[0].method) == ("https", "GET")


@pytest.mark.parametrize("gone", [OSError, ConnectionResetError])
async def test_a_client_that_left_before_the_accept_was_never_there(gone: type[Exception]) -> None:
    """The inbox is told nothing."""
    server, inbox = AsgiServer(), Recorder()
    server.fails = gone

    async with server.serving(lambda request: Welcome(inbox, LIMIT)) as task:
        pass

    assert task.exception() is None
    assert inbox.told == []


@pytest.mark.parametrize("gone", [OSError, RuntimeError])
async def test_a_send_that_fails_waits_for_the_disconnect(gone: type[Exception]) -> None:
    """Servers say so in different ways; the code comes with the disconnect."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox) as (socket, task):
        server.fails = gone
        socket.send(text_frame(b"a"))
        await wait_until(lambda: socket.waiting_bytes == 0, "what could not be sent still waits")
        server.come("websocket.disconnect", code=4321)

    assert task.exception() is None
    assert inbox.all("gone") == [4321]


async def test_a_disconnect_without_a_code_is_1005() -> None:
    """As ASGI says."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox):
        server.come("websocket.disconnect", code=None)

    assert inbox.all("gone") == [1005]


async def test_a_close_the_server_cannot_deliver_ends_after_ten_seconds() -> None:
    """The application returns as if nothing had been, and the server closes the connection."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox) as (socket, task):
        server.room.clear()
        socket.send(text_frame(b"a"))
        socket.close(4008, "slow")
        socket.check(1.0)
        socket.check(11.0)
        socket.check(12.0)

    assert not task.cancelled()
    assert task.exception() is None
    assert inbox.all("gone") == [4008]


async def test_a_server_that_cancels_is_obeyed() -> None:
    """Its cancellation goes on, and the socket has gone."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox) as (_, task):
        task.cancel()

    assert task.cancelled()
    assert inbox.all("gone") == [1006]


async def test_both_cancellations_together_are_the_servers() -> None:
    """Ours never swallows its."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox) as (socket, task):
        socket.abort()
        task.cancel()

    assert task.cancelled()
    assert inbox.all("gone") == [1006]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"text": "\ud800"}, 1007),
        ({"text": "a" * (LIMIT + 1)}, 1009),
        ({"text": "ü" * 501}, 1009),
        ({"bytes": bytes(LIMIT + 1)}, 1009),
        ({"bytes": bytes(LIMIT + 1), "text": None}, 1009),
    ],
)
async def test_what_a_server_lets_through_is_looked_at_again(event: dict[str, Any], code: int) -> None:
    """Its limits are its own."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox):
        server.come("websocket.receive", **event)
        await wait_until(lambda: "websocket.close" in server.types(), "the socket was never closed")
        server.come("websocket.disconnect", code=code)

    assert server.put[-1]["code"] == code
    assert inbox.all("gone") == [code]
    assert inbox.all("text") == inbox.all("binary") == []


async def test_a_slow_client_is_told_of_once_it_has_room() -> None:
    """What waits is counted; the server holds back its send."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox) as (socket, _):
        server.room.clear()
        for _ in range(5):
            socket.send(text_frame(b"x" * 20_000))
        waiting, paused = socket.waiting_bytes, socket.is_paused
        server.room.set()
        await wait_until(lambda: inbox.all("room"), "nobody said that there is room")
        server.come("websocket.disconnect")

    assert (waiting, paused) == (5 * 20_004, True)
    assert server.types() == ["websocket.accept", *["websocket.send"] * 5]


async def test_pings_are_the_servers() -> None:
    """There is nothing to send; who asks is told so beforehand."""
    server, inbox = AsgiServer(), Recorder()
    async with opened(server, inbox) as (socket, _):
        socket.ping()
        server.come("websocket.disconnect")

    assert not socket.can_ping
    assert server.types() == ["websocket.accept"]


async def test_an_inbox_that_breaks_leaves_nothing_open() -> None:
    """It must not raise; if it does, the socket has gone all the same, and the server gets the defect."""
    server, inbox = AsgiServer(), Recorder()

    def breaks(socket: Socket, data: bytes) -> None:
        socket.send(text_frame(data))
        raise LookupError

    inbox.answer = breaks
    async with opened(server, inbox) as (_, task):
        server.come("websocket.receive", text="a")

    assert isinstance(task.exception(), LookupError)
    assert inbox.all("gone") == [1006]
