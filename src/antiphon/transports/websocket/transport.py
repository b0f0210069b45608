"""The WebSocket transport: sockets at `/ws`, opened through HTTP, served by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from antiphon.core.connection import Connection
from antiphon.core.errors import NotSignedIn, SetupError
from antiphon.core.revocation import Revocations
from antiphon.core.runtime import Runtime
from antiphon.transports.base import HttpSurface, SocketOpening
from antiphon.transports.websocket.client import SocketClient
from antiphon.transports.websocket.connection import SocketConnection
from antiphon.transports.websocket.desk import Desk, is_counted
from antiphon.transports.websocket.frames import SUBPROTOCOL
from antiphon.transports.websocket.settings import WebsocketSettings

PATH = "/ws"


class Websocket:
    """Answers actions and shows channels over sockets. It is listed behind Http, through which sockets open."""

    name = "websocket"

    def __init__(self) -> None:
        self._desk: Desk | None = None
        self._surface: HttpSurface | None = None
        self._forget: Callable[[], None] | None = None

    @property
    def needs(self) -> Iterable[type]:
        return (WebsocketSettings,)

    def fresh(self) -> Websocket:
        """The same transport, not prepared."""
        return Websocket()

    def prepare(self, runtime: Runtime) -> None:
        """Take the path of sockets."""
        surface = runtime.find(HttpSurface)
        if surface is None:
            raise SetupError("Websocket() opens sockets through HTTP. List it behind: [Http(), Websocket()].")
        self._surface = surface
        self._desk = Desk(runtime, runtime.settings(WebsocketSettings))
        surface.add_socket(PATH, self)
        revocations = runtime.find(Revocations)
        if revocations is not None:
            self._forget = revocations.subscribe(self._desk.revoked)

    async def listen(self) -> None:
        """Sockets come through HTTP."""

    async def open(self, handshake: Connection, query: bytes) -> SocketOpening:
        """Let a client in, or raise what it is told. `handshake` is its end of the request that opens the socket."""
        desk = self.desk
        connection = SocketConnection(handshake, desk.runtime.ids.uuid7())
        caller = await desk.context("socket:open", connection).identify()
        if connection.bearer is not None and not caller.signed_in:
            raise NotSignedIn
        desk.admit(caller, connection.identifier, counted=is_counted(connection.identifier))
        return SocketOpening(
            inbox=SocketClient(desk, connection, caller),
            limit_bytes=desk.settings.frame_bytes,
            subprotocols=(SUBPROTOCOL,),
            deflates=desk.settings.deflate,
        )

    async def drain(self) -> None:
        """Send clients away once HTTP takes no new ones; their calls have the time that all calls have."""
        if self._desk is None or self._surface is None:
            return
        self._desk.draining = True
        await self._surface.draining.wait()
        await self._desk.drain(self._surface.drain_seconds)

    async def stop(self) -> None:
        """End what is left."""
        if self._forget is not None:
            self._forget()
            self._forget = None
        if self._desk is not None:
            self._desk.close()
            self._desk = None

    @property
    def desk(self) -> Desk:
        """The sockets. Raises SetupError before the application has started."""
        if self._desk is None:
            raise SetupError("The WebSocket transport has not been prepared: start the application first.")
        return self._desk
