"""The client's end of a socket, as calls see it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

from antiphon.core.connection import Connection


class SocketConnection(Connection):
    """What the handshake said of the client, and whom the socket has signed in since.

    Only texts are kept of the handshake: its request is not held for as long as the socket lives. `session_key` is
    what a ticket stood for.
    """

    type = "websocket"

    def __init__(self, handshake: Connection, connection_id: str, session_key: str | None = None) -> None:
        self._id = connection_id
        self._identifier = handshake.identifier
        self._agent = handshake.agent
        self._token = handshake.session_token
        self._key = session_key
        self._bearer = handshake.bearer
        self._traceparent = handshake.traceparent
        self._watches: Mapping[str, Any] = {}

    @property
    def session_token(self) -> str | None:
        return self._token

    @property
    def session_key(self) -> str | None:
        return self._key

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

    @property
    def subscriptions(self) -> frozenset[str]:
        return frozenset(self._watches)

    def shows(self, watches: Mapping[str, Any]) -> None:
        """What is watched is found here from now on, by topic."""
        self._watches = watches

    def sign_in(self, token: str) -> None:
        """From here on calls come with this session; whatever the handshake showed counts no longer."""
        self._token = token
        self._key = self._bearer = None

    def sign_out(self) -> None:
        """From here on calls come without a session, and without a token."""
        self._token = self._key = self._bearer = None

    def show(self, bearer: str) -> None:
        """From here on calls come with this access token, and with nothing else."""
        self._bearer = bearer
        self._token = self._key = None

    def showing(self, bearer: str) -> SocketConnection:
        """The same, with this access token: to find out who it stands for before anything changes."""
        asked = copy(self)
        asked.show(bearer)
        return asked

    def asked_by_server(self) -> SocketConnection:
        """The same, for what the server wants to know by itself."""
        asked = copy(self)
        asked.by_itself = True
        return asked
