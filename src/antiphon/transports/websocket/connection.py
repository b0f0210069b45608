"""The client's end of a socket, as calls see it."""

from __future__ import annotations

from antiphon.core.connection import Connection


class SocketConnection(Connection):
    """What the handshake said of the client, and whom the socket has signed in since.

    Only texts are kept of the handshake: its request is not held for as long as the socket lives.
    """

    type = "websocket"

    def __init__(self, handshake: Connection, connection_id: str) -> None:
        self._id = connection_id
        self._identifier = handshake.identifier
        self._agent = handshake.agent
        self._token = handshake.session_token
        self._bearer = handshake.bearer
        self._traceparent = handshake.traceparent

    @property
    def session_token(self) -> str | None:
        return self._token

    @property
    def bearer(self) -> str | None:
        return self._bearer

    @property
    def agent(self) -> str:
        return self._agent

    @property
    def trace_id(self) -> str:
        return self._traceparent.split("-")[1]

    @property
    def traceparent(self) -> str:
        return self._traceparent

    def sign_in(self, token: str) -> None:
        """From here on calls come with this session; whatever the handshake showed counts no longer."""
        self._token = token
        self._bearer = None

    def sign_out(self) -> None:
        """From here on calls come without a session."""
        self._token = None
