"""Applications that answer over sockets, served in both ways, and clients of an independent library for them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from antiphon import App, Http, Module, Websocket
from antiphon.core.clock import Clock
from antiphon.core.middleware import Middleware
from antiphon.testing.waiting import wait_until
from antiphon.transports.websocket.client import SocketClient
from antiphon.transports.websocket.desk import Desk
from tests.transports import surface, surface_channels, surface_sessions, surface_streams
from tests.transports.serving import HOST, Served, behind_uvicorn
from tests.transports.surface import Watch
from tests.wire.websocket.bytes_of import TEXT, frame
from tests.wire.websocket.stage import HANDSHAKE, RawClient

type Server = Literal["own", "uvicorn"]
"""Our own server, or a plain uvicorn that does the frames."""

SERVERS: tuple[Server, ...] = ("own", "uvicorn")
PATIENCE_SECONDS = 10.0

BEARERS = (
    Module(surface.__name__),
    Module(surface_streams.__name__),
    Module(surface_channels.__name__, needs=surface_channels.NEEDS),
)
"""The whole surface; callers are known by the name they show as a bearer token."""

SESSIONS = (
    Module(surface_channels.__name__, needs=surface_channels.NEEDS),
    Module(surface_sessions.__name__, needs=surface_sessions.NEEDS),
)
"""Callers are known by sessions."""

QUICK_CHANNELS: Mapping[str, object] = {
    "gather_time": "20ms",
    "grace_time": "300ms",
    "linger_time": "100ms",
    "renew_time": "200ms",
    "lease_time": "2s",
    "look_time": "100ms",
}


class Talker:
    """A client: sends frames under ids of its own, and keeps what comes until the test asks for it."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.hello: Any = None
        self.kept: list[Any] = []
        self._ids = count(1)

    async def say(self, **said: Any) -> int | str:
        """Send a frame; its id, which is a new one unless it was given."""
        frame_id = said.pop("id") if "id" in said else next(self._ids)
        await self.connection.send(json.dumps({"id": frame_id, **said}))
        return frame_id

    async def send(self, text: str | bytes) -> None:
        """Send this as a text message."""
        await self.connection.send(text, text=True)

    async def until(self, wanted: Callable[[Any], bool], what_never_came: str) -> Any:
        """The next frame that is wanted. Those that are not are kept for later."""
        for at, kept in enumerate(self.kept):
            if wanted(kept):
                return self.kept.pop(at)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not wanted(came := json.loads(await self.connection.recv())):
                    self.kept.append(came)
        except TimeoutError:
            raise AssertionError(f"{what_never_came}; there were {self.kept}") from None
        return came

    async def next(self) -> Any:
        """The next frame, whatever it is."""
        return await self.until(lambda _: True, "no frame ever came")

    async def answer(self, frame_id: int | str | None) -> Any:
        """The next frame under this id."""
        return await self.until(
            lambda came: "id" in came and came["id"] == frame_id, f"no answer to {frame_id!r} ever came"
        )

    async def ask(self, **said: Any) -> Any:
        """Send a frame and take its answer."""
        return await self.answer(await self.say(**said))

    async def call(self, action: str, **params: Any) -> Any:
        """Make a call, and take its answer."""
        return await self.ask(action=action, params=params)

    async def result(self, action: str, **params: Any) -> Any:
        """Make a call that is answered with a result."""
        answer = await self.call(action, **params)
        assert "result" in answer, answer
        return answer["result"]

    async def refusal(self, **said: Any) -> str:
        """Send a frame that is refused; the type of the error."""
        answer = await self.ask(**said)
        assert "error" in answer, answer
        return answer["error"]["type"]

    async def watch(self, topic: str, **more: Any) -> Any:
        """Subscribe to a topic; what it was answered."""
        answer = await self.ask(subscribe=topic, **more)
        assert "result" in answer, answer
        return answer["result"]

    async def shown(self, topic: str, kind: str = "event") -> Any:
        """The next frame of this kind about a topic."""
        return await self.until(
            lambda came: came.get("topic") == topic and kind in came, f"no {kind} of {topic} ever came"
        )

    async def event(self, topic: str) -> Any:
        """The data of the next event of a topic."""
        return (await self.shown(topic))["data"]

    async def takes(self, frame_id: int | str) -> list[Any]:
        """Every frame under this id, until the one that ends it."""
        taken = [await self.answer(frame_id)]
        while "item" in taken[-1]:
            taken.append(await self.answer(frame_id))
        return taken

    async def closed(self) -> int:
        """The code with which the server closes; everything that comes before it is kept."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    self.kept.append(json.loads(await self.connection.recv()))
        except ConnectionClosed as gone:
            return gone.rcvd.code if gone.rcvd is not None else 1006
        except TimeoutError:
            raise AssertionError(f"it was never closed; there were {self.kept}") from None


@asynccontextmanager
async def talking(port: int, query: str = "", /, **headers: str) -> AsyncGenerator[Talker]:
    """A client of whatever listens there, for a block, who was greeted; `_` in a header as `-`."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    options: dict[str, Any] = {"ping_interval": None, "max_size": None, "proxy": None, "close_timeout": 5}
    address = f"ws://{HOST}:{port}/ws{query}"
    async with connect(address, additional_headers=sent, compression=None, **options) as connection:
        talker = Talker(connection)
        talker.hello = (await talker.next())["hello"]
        yield talker


@dataclass
class Stage(Served):
    """An application that is served."""

    server: Server

    @property
    def desk(self) -> Desk:
        """What its sockets share."""
        return self.app.transport(Websocket).desk

    @property
    def clients(self) -> list[SocketClient]:
        """Its sockets."""
        return [*self.desk.clients]

    @asynccontextmanager
    async def talker(self, query: str = "", /, **headers: str) -> AsyncGenerator[Talker]:
        """A client for a block, who was greeted; `_` in a header as `-`."""
        async with talking(self.port, query, **headers) as talker:
            yield talker

    @asynccontextmanager
    async def ada(self) -> AsyncGenerator[Talker]:
        """Ada, on the surface with bearers."""
        async with self.talker(authorization="Bearer ada") as talker:
            yield talker

    async def refused(self, query: str = "", **headers: str) -> Refused:
        """A handshake that is refused."""
        try:
            async with self.talker(query, **headers):
                raise AssertionError("the socket was let in")
        except InvalidStatus as refusal:
            response = refusal.response
        return Refused(response.status_code, dict(response.headers.raw_items()), bytes(response.body or b""))

    @asynccontextmanager
    async def raw(self, headers: bytes = b"", *, receive_bytes: int | None = None) -> AsyncGenerator[RawClient]:
        """A client that sends any bytes, for a block. A small `receive_bytes` makes one that takes little."""
        with socket.socket() as client:
            client.setblocking(False)
            if receive_bytes is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await asyncio.get_running_loop().sock_connect(client, (HOST, self.port))
            reader, writer = await asyncio.open_connection(sock=client, limit=4096)
            try:
                writer.write(HANDSHAKE + headers + b"\r\n")
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                yield RawClient(reader, writer)
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    async def gone(self) -> None:
        """Wait until the server has no socket left."""
        await self.gone_to(0)

    async def gone_to(self, number: int) -> None:
        """Wait until the server has so many sockets left."""
        await wait_until(lambda: len(self.desk.clients) == number, "a socket was never gone")

    def sweep(self) -> None:
        """What happens once a second, now."""
        self.desk.sweep()


@dataclass(frozen=True)
class Refused:
    """A handshake that was refused."""

    status: int
    headers: dict[str, str]
    body: bytes

    def header(self, name: str) -> str | None:
        """A header by its lower-case name."""
        return next((value for key, value in self.headers.items() if key.lower() == name), None)

    @property
    def type(self) -> str:
        """The type of the error."""
        return json.loads(self.body)["error"]["type"]


def text(**said: Any) -> bytes:
    """A client's frame, as bytes."""
    return frame(TEXT, json.dumps(said).encode())


@asynccontextmanager
async def on_stage(
    folder: Path,
    store: tuple[str, str],
    server: Server = "own",
    *,
    modules: Iterable[Module] = BEARERS,
    clock: Clock | None = None,
    middleware: Iterable[Middleware] = (),
    values: Iterable[object] = (),
    **sections: Mapping[str, object],
) -> AsyncGenerator[Stage]:
    """An application on these settings and this store, served for as long as the block. No socket is left after it."""
    watch, (url, prefix) = Watch(), store
    settings: dict[str, Mapping[str, object]] = {
        **sections,
        "http": {"port": 0, **sections.get("http", {})},
        "session": {"cookie_secure": False, **sections.get("session", {})},
        "redis": {"url": url, "prefix": prefix, **sections.get("redis", {})},
        "log": {"level": "error", **sections.get("log", {})},
        "websocket": {"drain_time": "10ms", **sections.get("websocket", {})},
    }
    app = App(
        "live",
        modules=modules,
        transports=[Http(), Websocket()],
        middleware=tuple(middleware),
        values=[watch, *values],
        settings=settings,
        folder=folder,
        clock=clock,
    )
    if server == "own":
        async with app.running(environ={"ANTIPHON_ENV": "test"}, listen=True):
            yield Stage(app, app.transport(Http).port, watch, folder, server)
    else:
        async with behind_uvicorn(app, ws="auto") as port:
            yield Stage(app, port, watch, folder, server)
