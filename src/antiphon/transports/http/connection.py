"""The client's end of an HTTP call, with its request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from antiphon.core.connection import Connection
from antiphon.core.errors import TransportFault
from antiphon.wire.cookies import read_cookie
from antiphon.wire.request import Request
from antiphon.wire.trace import Trace, join_trace

if TYPE_CHECKING:
    from antiphon.core.context import Context
    from antiphon.transports.http.answers import Cookies
    from antiphon.transports.http.peers import Peers
    from antiphon.wire.multipart import MultipartForm


class LeftWhileReading(TransportFault):
    """The client went away before its body was complete: there is nobody to answer, and nothing of ours to mend."""

    type = "LEFT"


type Exchange = tuple[Context, HttpConnection]
"""A call, and the connection with the request that its inputs are read from."""

NO_PATH_INPUTS: Mapping[str, str] = {}


class Surroundings(Protocol):
    """What a connection asks of the server that it came to."""

    peers: Peers
    cookies: Cookies


class HttpConnection(Connection):
    """The client's end of one HTTP call, and its request. Nothing is read before somebody asks.

    `path_inputs` are the texts that the path gives; `form` is the form that was read, until its files are taken over.
    """

    type = "http"
    _trace: Trace | None = None
    form: MultipartForm | None = None

    def __init__(self, request: Request, server: Surroundings, path_inputs: Mapping[str, str]) -> None:
        # Without Connection's own: what stays as it is there costs a call nothing.
        self.request = request
        self.path_inputs = path_inputs
        self._server = server

    @property
    def identifier(self) -> str:
        if not self._identifier:
            self._identifier = self._server.peers.address(self.request)
        return self._identifier

    @property
    def session_token(self) -> str | None:
        return read_cookie(self.request.header(b"cookie"), self._server.cookies.name)

    @property
    def bearer(self) -> str | None:
        given = self.request.header(b"authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        if len(self.request.header_values(b"authorization")) > 1:
            # Which of them a proxy looked at cannot be known (RFC 9110 §5.3 allows one).
            return ""
        # Other schemes, such as Basic, are between the client and a proxy.
        return token.strip() if scheme.lower() == "bearer" else None

    @property
    def agent(self) -> str:
        return self.request.head.get(b"user-agent") or ""

    @property
    def trace(self) -> Trace:
        """The span of this call: a child of the client's, or the first of a new trace."""
        if self._trace is None:
            self._trace = join_trace(self.request.header(b"traceparent"), self.request.header(b"tracestate"))
        return self._trace

    @property
    def trace_id(self) -> str:
        return self.trace.trace_id

    @property
    def traceparent(self) -> str:
        return self.trace.parent
