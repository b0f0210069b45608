"""Through what a call came: the client's end, as far as an action may care."""

from __future__ import annotations

from typing import Literal

type TransportName = Literal["http", "websocket", "graphql", "cli", "worker", "mcp", "direct"]


class Connection:
    """The client's end of a call. Transports give a subclass that reads its facts only when asked.

    `type` is the transport, `id` names the connection, `identifier` is the client's address (empty when there is none),
    `subscriptions` are the topics it watches.
    """

    type: TransportName
    _id = ""
    _identifier = ""
    by_itself = False
    """Whether the server asks and not the client, as when a door is asked again: no session lives longer for it."""

    def __init__(self, type: TransportName, *, id: str = "", identifier: str = "") -> None:
        self.type = type
        self._id = id
        self._identifier = identifier

    @property
    def id(self) -> str:
        """The connection's own id."""
        return self._id

    @property
    def identifier(self) -> str:
        """The client's address."""
        return self._identifier

    @property
    def subscriptions(self) -> frozenset[str]:
        """The topics it watches."""
        return frozenset()

    @property
    def session_token(self) -> str | None:
        """The session id the client sent, or None. A secret."""
        return None

    @property
    def session_key(self) -> str | None:
        """What finds the session of a client that showed a ticket, or None. The client itself knows no such thing."""
        return None

    @property
    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer`, or None when none was sent; empty when it cannot be read. A secret.

        Whoever sends one is known by it or not at all: the session id that came beside it is not read.
        """
        return None

    @property
    def agent(self) -> str:
        """What the client says it is (`User-Agent`), or an empty text."""
        return ""

    @property
    def trace_id(self) -> str:
        """The trace this call belongs to (W3C Trace Context), or an empty text."""
        return ""

    @property
    def traceparent(self) -> str:
        """What makes whoever is given it a part of this call's trace, or an empty text."""
        return ""
