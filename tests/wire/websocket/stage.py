"""A server for each of the three ways in which a socket can come to us, and a client that sends any bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, Self, cast

import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.frames import Frame
from websockets.protocol import OPEN, Protocol, Side
from websockets.typing import Subprotocol

from antiphon.testing.waiting import wait_until
from antiphon.wire.faults import WireFault
from antiphon.wire.request import Request
from antiphon.wire.response import Answer, Response, Takeover
from antiphon.wire.server.bounds import Bounds
from antiphon.wire.server.listener import Listener
from antiphon.wire.websocket.asgi import Welcome, serve_socket
from antiphon.wire.websocket.connection import SocketProtocol
from antiphon.wire.websocket.deflate import Deflate
from antiphon.wire.websocket.face import Socket
from antiphon.wire.websocket.frames import text_frame
from antiphon.wire.websocket.handshake import agree
from tests.wire.websocket.bytes_of import CLOSE, frame

type Kind = Literal["own", "deflate", "asgi"]
KINDS: tuple[Kind, ...] = ("own", "deflate", "asgi")
HOST = "127.0.0.1"
LIMIT = 65_536
SPOKEN = ["antiphon.v1"]
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Recorder:
    """An inbox that writes down what it is told, and answers texts: an echo unless the test says otherwise."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.sockets: list[Socket] = []
        self.answer: Callable[[Socket, bytes], None] = echo
        self.hello: bytes | None = None

    def on_open(self, socket: Socket) -> None:
        """It is open."""
        if self.hello is not None:
            socket.send(text_frame(self.hello))
        self.sockets.append(socket)
        self.told.append(("open", None))

    def on_text(self, socket: Socket, data: bytes) -> None:
        """A text came."""
        self.told.append(("text", data))
        self.answer(socket, data)

    def on_binary(self, socket: Socket) -> None:
        """A binary came, which is refused as the layer above would."""
        self.told.append(("binary", None))
        socket.close(1003, "Only texts are read here.")

    def on_sign_of_life(self, socket: Socket) -> None:
        """Something came."""
        self.told.append(("life", None))

    def on_room(self, socket: Socket) -> None:
        """There is room again."""
        self.told.append(("room", None))

    def on_gone(self, socket: Socket, code: int) -> None:
        """It is over."""
        self.told.append(("gone", code))

    @property
    def socket(self) -> Socket:
        """The only socket."""
        (socket,) = self.sockets
        return socket

    def all(self, what: str) -> list[object]:
        """What was told of one kind."""
        return [value for name, value in self.told if name == what]

    async def gone(self) -> list[object]:
        """The codes with which sockets have gone, as soon as all have."""
        await wait_until(lambda: len(self.all("gone")) == len(self.all("open")), "a socket never went")
        return self.all("gone")


def echo(socket: Socket, data: bytes) -> None:
    """Send back what came."""
    socket.send(text_frame(data))


class Stage:
    """One server. `refusal` is what the door answers instead of opening, if anything."""

    def __init__(self, kind: Kind, port: int) -> None:
        self.kind: Kind = kind
        self.port = port
        self.inbox = Recorder()
        self.refusal: Response | None = None
        self.deflate = Deflate() if kind == "deflate" else None
        self.requests: list[Request] = []

    def door(self, request: Request) -> Welcome | Response:
        """Open, or refuse."""
        self.requests.append(request)
        return self.refusal or Welcome(self.inbox, LIMIT, SPOKEN, [(b"x-stage", self.kind.encode())])

    def respond(self, request: Request) -> Answer:
        """What the layer above makes of it on our own server."""
        welcome = self.door(request)
        if isinstance(welcome, Response):
            return welcome
        try:
            agreed = agree(request, subprotocols=welcome.subprotocols, deflate=self.deflate)
        except WireFault as fault:
            return Response(fault.status, fault.headers, fault.message.encode())
        protocol = SocketProtocol(welcome.inbox, welcome.limit_bytes, agreed.deflated)
        return Takeover([*agreed.headers, *welcome.headers], protocol)

    def client(self, **options: Any) -> connect:
        """The independent client, connected for a block: `async with stage.client() as client`."""
        wishes: dict[str, Any] = {"ping_interval": None, "max_size": None, "proxy": None, "close_timeout": 5} | options
        return connect(f"ws://{HOST}:{self.port}/ws", subprotocols=[Subprotocol(name) for name in SPOKEN], **wishes)

    @asynccontextmanager
    async def raw(self, rest: bytes = b"", *, receive_bytes: int = 0, plain: bool = False) -> AsyncGenerator[RawClient]:
        """A client that sends any bytes, for a block; `rest` goes out in one segment with the handshake.

        A small `receive_bytes` makes one that takes little before the server has to wait for it; a `plain` one offers
        no compression. Any other must be sent short frames only, as it cannot inflate.
        """
        with socket.socket() as client:
            client.setblocking(False)
            if receive_bytes:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await asyncio.get_running_loop().sock_connect(client, (HOST, self.port))
            reader, writer = await asyncio.open_connection(sock=client, limit=4096)
            packs = self.kind == "deflate" and not plain
            offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if packs else b""
            writer.write(HANDSHAKE + offer + b"\r\n" + rest)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101 ")
                yield RawClient(reader, writer)
            finally:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


class RawClient:
    """A client's end of an open socket that sends exactly the bytes it is given."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        # Only its reading is used, to take frames apart; what it would send never leaves.
        self._other = Protocol(Side.CLIENT, state=OPEN, max_size=None)
        self._frames: list[Frame] = []

    async def send(self, data: bytes) -> None:
        """Send these bytes."""
        self._writer.write(data)
        async with asyncio.timeout(10):
            await self._writer.drain()

    async def frames(self, count: int = 1) -> list[tuple[int, bytes]]:
        """The opcodes and payloads of the next frames."""
        while len(self._frames) < count:
            async with asyncio.timeout(10):
                data = await self._reader.read(1 << 16)
            assert data, "the connection ended where a frame belongs"
            self._other.receive_data(data)
            self._frames += [event for event in self._other.events_received() if isinstance(event, Frame)]
        taken, self._frames = self._frames[:count], self._frames[count:]
        return [(int(frame.opcode), bytes(frame.data)) for frame in taken]

    async def close_code(self) -> int:
        """The code of the close frame, which is the next to come and is answered, upon which the server ends it all."""
        ((opcode, payload),) = await self.frames()
        assert opcode == 8, f"{payload!r} is no close frame"
        await self.send(frame(CLOSE, payload))
        assert await self.rest() == b""
        return int.from_bytes(payload[:2])

    async def rest(self) -> bytes:
        """Everything until the server ends it, in good order or not."""
        try:
            async with asyncio.timeout(10):
                return await self._reader.read()
        except ConnectionError:
            return b""

    def finish_sending(self) -> None:
        """End this half: the server reads the end."""
        self._writer.write_eof()

    def reset(self) -> None:
        """Leave without a word: the server is told by a TCP reset."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


@asynccontextmanager
async def on_stage(kind: Kind) -> AsyncGenerator[Stage]:
    """A server of this kind for a block; afterwards every socket that opened has gone, and was told so once."""
    with socket.create_server((HOST, 0)) as listening:
        stage = Stage(kind, listening.getsockname()[1])
        async with _asgi(stage, listening) if kind == "asgi" else _own(stage, listening):
            try:
                yield stage
            finally:
                for one in stage.inbox.sockets:
                    one.abort()
                await stage.inbox.gone()


@asynccontextmanager
async def _own(stage: Stage, listening: socket.socket) -> AsyncGenerator[None]:
    defects: list[Exception] = []
    server = Listener(
        stage.respond,
        refuse=lambda fault, _: Response(fault.status, fault.headers),
        report=defects.append,
        exhausted=defects.append,
        exempt=lambda _: False,
        bounds=Bounds(),
    )
    server.open([listening])
    try:
        yield
    finally:
        await server.finish(0)
        assert not defects, f"nobody expected {defects}"


class _Server(uvicorn.Server):
    """Uvicorn on a loop that is not its own: the signals are not its own either."""

    @classmethod
    def of(cls, stage: Stage) -> Self:
        """Serve the stage."""

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            await serve_socket(scope, receive, send, stage.door)

        return cls(
            uvicorn.Config(
                cast("Any", app),
                ws="websockets-sansio",
                lifespan="off",
                log_config=None,
                access_log=False,
                ws_ping_interval=None,
                timeout_graceful_shutdown=5,
            )
        )


@asynccontextmanager
async def _asgi(stage: Stage, listening: socket.socket) -> AsyncGenerator[None]:
    server = _Server.of(stage)
    task = asyncio.create_task(server.serve([listening]))
    await wait_until(lambda: server.started, "uvicorn never started")
    try:
        yield
    finally:
        server.should_exit = True
        await task


async def take(client: ClientConnection, count: int) -> list[str | bytes]:
    """The next messages of the independent client."""
    async with asyncio.timeout(10):
        return [await client.recv() for _ in range(count)]
