"""Where sockets open: the handshake, its origin, and the handing over to the transport of sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from antiphon.transports.base import SocketDoor, SocketOpening
from antiphon.transports.http.connection import NO_PATH_INPUTS, HttpConnection
from antiphon.wire.faults import forbidden, unavailable
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, Response, Takeover
from antiphon.wire.websocket.asgi import Welcome
from antiphon.wire.websocket.connection import SocketProtocol
from antiphon.wire.websocket.deflate import Deflate
from antiphon.wire.websocket.handshake import agree

if TYPE_CHECKING:
    from antiphon.transports.http.server import Server

# A page may open a socket to any server, and its browser sends the cookies along: no preflight asks. So the origin
# is looked at here, for every handshake that has one; what is no browser sends none.


class SocketPage:
    """The path of sockets. On our own server the connection is taken over; ASGI servers do the handshake themselves."""

    def __init__(self, server: Server, door: SocketDoor) -> None:
        self._server = server
        self._door = door
        self._deflate = Deflate()

    async def respond(self, request: Request, path_inputs: Mapping[str, str] = NO_PATH_INPUTS, /) -> Answer:
        """Open a socket on our own server, or say why not."""
        server = self._server
        request_id = server.request_id(request)
        try:
            # Without the words of a handshake this is a plain request; nobody is looked up for it.
            agree(request)
            opening = await self._open(request)
            deflate = self._deflate if opening.deflates else None
            agreed = agree(request, subprotocols=opening.subprotocols, deflate=deflate)
        except Exception as error:  # noqa: BLE001  # told apart there
            return server.fail(request, error, request_id)
        headers = [*agreed.headers, (REQUEST_ID, request_id.encode())]
        return Takeover(headers, SocketProtocol(opening.inbox, opening.limit_bytes, agreed.deflated))

    async def welcome(self, request: Request) -> Welcome | Response:
        """Open a socket behind an ASGI server, or say why not."""
        server = self._server
        request_id = server.request_id(request)
        try:
            opening = await self._open(request)
        except Exception as error:  # noqa: BLE001  # told apart there
            return server.fail(request, error, request_id)
        headers = [(REQUEST_ID, request_id.encode())]
        return Welcome(opening.inbox, opening.limit_bytes, opening.subprotocols, headers)

    async def _open(self, request: Request) -> SocketOpening:
        server = self._server
        if server.leaving:
            raise unavailable("The server is about to go away. Try again soon.")
        if not server.browsers.knows_origin(request):
            raise forbidden("This page may not open a socket here.")
        return await self._door.open(HttpConnection(request, server, NO_PATH_INPUTS), request.query)
