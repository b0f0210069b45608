"""The WebSocket transport: sockets at `/ws`, opened through HTTP, served by themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import parse_qs

from antiphon.core.connection import Connection
from antiphon.core.errors import NotSignedIn, SetupError
from antiphon.core.revocation import Revocations
from antiphon.core.runtime import Runtime
from antiphon.core.session import SessionEnded
from antiphon.core.standing import find_standing
from antiphon.services.metrics import Metrics
from antiphon.services.sessions.tickets import Tickets
from antiphon.transports.base import HttpSurface, SocketOpening
from antiphon.transports.websocket.client import SocketClient
from antiphon.transports.websocket.connection import SocketConnection
from antiphon.transports.websocket.desk import Desk, is_counted
from antiphon.transports.websocket.frames import SUBPROTOCOL
from antiphon.transports.websocket.metrics import SocketCollector
from antiphon.transports.websocket.settings import WebsocketSettings
from antiphon.transports.websocket.tokens import socket_user

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
        # A socket lives until its session ends, on whichever node that is said.
        return (WebsocketSettings, Revocations, Metrics)

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
        runtime.require(Metrics, "Websocket()").registry.register(SocketCollector(self._desk))
        revocations = runtime.find(Revocations)
        if revocations is not None:
            self._forget = revocations.subscribe(self._desk.revoked)

    async def listen(self) -> None:
        """Sockets come through HTTP."""

    async def open(self, handshake: Connection, query: bytes) -> SocketOpening:
        """Let a client in, or raise what it is told. `handshake` is its end of the request that opens the socket."""
        desk = self.desk
        key = await self._take_ticket(query) if b"ticket" in query else None
        connection = SocketConnection(handshake, desk.runtime.ids.uuid7(), key)
        ctx = desk.context("socket:open", connection)
        standing = await find_standing(ctx)
        if (connection.bearer is not None or key is not None) and not standing.caller.signed_in:
            raise NotSignedIn
        if ctx.told(SessionEnded) is not None:
            # Its cookie is of no use any more: no call of this socket is to ask for it again.
            connection.sign_out()
        user, address = await socket_user(ctx), connection.identifier
        # The last step that can fail: from here on a seat is taken.
        await desk.admit(standing.caller, connection, counted=is_counted(address) and not self._is_proxy(address))
        return SocketOpening(
            inbox=SocketClient(desk, connection, standing, user),
            limit_bytes=desk.settings.frame_bytes,
            subprotocols=(SUBPROTOCOL,),
            deflates=desk.settings.deflate,
        )

    async def _take_ticket(self, query: bytes) -> str | None:
        """What the ticket in the query stands for; None when there is none. Raises NotSignedIn for one of no use."""
        shown = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("ticket")
        if shown is None:
            return None
        tickets = self.desk.runtime.find(Tickets)
        key = await tickets.take(shown[0]) if tickets is not None and len(shown) == 1 else None
        if key is None:
            raise NotSignedIn
        return key

    def _is_proxy(self, address: str) -> bool:
        return self._surface is not None and self._surface.is_proxy(address)

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
            await self._desk.close()
            self._desk = None

    @property
    def desk(self) -> Desk:
        """The sockets. Raises SetupError before the application has started."""
        if self._desk is None:
            raise SetupError("The WebSocket transport has not been prepared: start the application first.")
        return self._desk
