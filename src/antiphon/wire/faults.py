"""What can be wrong with a request before there is a call: one table, and one constructor for each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from antiphon.core.errors import TransportFault

# The table of the faults that are found before there is a call, with the types that wire shares with the errors of
# calls at its end. "closes" are those after which the rest of the connection cannot be trusted or is not worth
# reading. A body that nobody read closes the connection too, whatever the fault: that is for whoever
# writes the answer out, who alone knows how much of it was read.


class FaultRow(NamedTuple):
    """The HTTP status of one type of fault, what is said of it by default, and whether the connection ends."""

    status: int
    message: str
    closes: bool


FAULTS: Mapping[str, FaultRow] = MappingProxyType(
    {
        "MALFORMED": FaultRow(400, "The request cannot be read.", closes=False),
        "METHOD_NOT_ALLOWED": FaultRow(405, "This path has no such method.", closes=False),
        "NOT_ACCEPTABLE": FaultRow(406, "There is no answer in a form that the Accept header allows.", closes=False),
        "REQUEST_TIMEOUT": FaultRow(408, "The request did not arrive in time.", closes=True),
        "URL_TOO_LONG": FaultRow(414, "The address is too long.", closes=True),
        "UNSUPPORTED_MEDIA_TYPE": FaultRow(415, "The body is of a type that is not read here.", closes=False),
        "RANGE_NOT_SATISFIABLE": FaultRow(416, "The range lies outside the file.", closes=False),
        "EXPECTATION_FAILED": FaultRow(417, "The only expectation that can be met is 100-continue.", closes=False),
        "MISDIRECTED": FaultRow(421, "This server does not answer for that host.", closes=False),
        "UPGRADE_REQUIRED": FaultRow(426, "This path speaks another protocol; ask for an upgrade.", closes=False),
        "HEADERS_TOO_LARGE": FaultRow(431, "The headers are too large.", closes=True),
        "NOT_FOUND": FaultRow(404, "There is nothing at this path.", closes=False),
        "TOO_LARGE": FaultRow(413, "The body is too large.", closes=False),
        "UNAVAILABLE": FaultRow(503, "The server cannot take this now. Try again soon.", closes=False),
        "NOT_SIGNED_IN": FaultRow(401, "Sign in first.", closes=False),
        "FORBIDDEN": FaultRow(403, "This request may not be made from there.", closes=False),
    }
)
"""Every type of fault that wire finds itself."""


class WireFault(TransportFault):
    """A condition that the client is told instead of an answer: status, type, message, and the headers it carries.

    `close` asks whoever answers to end the connection after it; `retry_after` is in seconds, for UNAVAILABLE.
    """

    def __init__(
        self,
        type: str,
        message: str | None = None,
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
        close: bool = False,
        retry_after: float | None = None,
    ) -> None:
        row = FAULTS[type]
        self.status = row.status
        self.type = type
        self.message = message or row.message
        self.headers = list(headers)
        self.close = close or row.closes
        self.retry_after = retry_after
        super().__init__(self.message)


def malformed(message: str | None = None, *, close: bool = False) -> WireFault:
    """400: what was sent cannot be read. `close` where the framing itself is in doubt."""
    return WireFault("MALFORMED", message, close=close)


def method_not_allowed(allow: Iterable[str], message: str | None = None) -> WireFault:
    """405: the path is known, the method is not; `Allow` names those that are (RFC 9110 §15.5.6)."""
    return WireFault("METHOD_NOT_ALLOWED", message, headers=[(b"allow", _joined(allow))])


def not_acceptable(offers: Sequence[str] = ()) -> WireFault:
    """406: no form of the answer is one that the client takes; the message names those there are."""
    message = f"The answer comes only as {', '.join(offers)}; none of them is in the Accept header." if offers else None
    return WireFault("NOT_ACCEPTABLE", message)


def request_timeout(message: str | None = None) -> WireFault:
    """408 and close: the head or the body did not arrive in its time."""
    return WireFault("REQUEST_TIMEOUT", message)


def url_too_long(limit_bytes: int) -> WireFault:
    """414 and close: the request line is over its limit."""
    return WireFault("URL_TOO_LONG", f"The address is longer than {limit_bytes} bytes.")


def unsupported_media_type(
    message: str | None = None, *, accept: Iterable[str] = (), accept_encoding: Iterable[str] = ()
) -> WireFault:
    """415: the body is of a type or coding not read here; the headers name those that are (RFC 9110 §15.5.16)."""
    headers: list[tuple[bytes, bytes]] = []
    if types := _joined(accept):
        headers.append((b"accept", types))
    if codings := _joined(accept_encoding):
        headers.append((b"accept-encoding", codings))
    return WireFault("UNSUPPORTED_MEDIA_TYPE", message, headers=headers)


def range_not_satisfiable(size_bytes: int) -> WireFault:
    """416: the range lies outside the file, whose size `Content-Range` tells (RFC 9110 §15.5.17)."""
    return WireFault("RANGE_NOT_SATISFIABLE", headers=[(b"content-range", b"bytes */%d" % size_bytes)])


def expectation_failed(message: str | None = None) -> WireFault:
    """417: the client expects something other than `100-continue`."""
    return WireFault("EXPECTATION_FAILED", message)


def misdirected(message: str | None = None) -> WireFault:
    """421: the request is for a host that this server does not answer for."""
    return WireFault("MISDIRECTED", message)


def upgrade_required(protocol: str = "websocket", *, headers: Iterable[tuple[bytes, bytes]] = ()) -> WireFault:
    """426: the path speaks another protocol, which `Upgrade` names (RFC 9110 §15.5.22, §7.8)."""
    needed = [(b"upgrade", protocol.encode()), (b"connection", b"upgrade"), *headers]
    return WireFault("UPGRADE_REQUIRED", headers=needed)


def headers_too_large(message: str | None = None) -> WireFault:
    """431 and close: one header, all of them, or their number is over its limit."""
    return WireFault("HEADERS_TOO_LARGE", message)


def not_found(message: str | None = None) -> WireFault:
    """404: there is nothing at this path."""
    return WireFault("NOT_FOUND", message)


def too_large(limit_bytes: int | None = None, message: str | None = None) -> WireFault:
    """413: the body, or a part of it, is over its limit."""
    if message is None and limit_bytes is not None:
        message = f"The body is larger than {limit_bytes} bytes."
    return WireFault("TOO_LARGE", message)


def unavailable(message: str | None = None, *, retry_after: timedelta | float = 1.0, close: bool = False) -> WireFault:
    """503: the server is full, starting or draining; `Retry-After` says when to ask again, in seconds, rounded up."""
    seconds = retry_after.total_seconds() if isinstance(retry_after, timedelta) else retry_after
    headers = [(b"retry-after", b"%d" % max(0, ceil(seconds)))]
    return WireFault("UNAVAILABLE", message, headers=headers, close=close, retry_after=max(0.0, seconds))


def not_signed_in(message: str | None = None) -> WireFault:
    """401: we do not know who asks; `WWW-Authenticate` names the way to say it (RFC 6750)."""
    return WireFault("NOT_SIGNED_IN", message, headers=[(b"www-authenticate", b"Bearer")])


def forbidden(message: str | None = None) -> WireFault:
    """403: the request may not be made, such as one from another site."""
    return WireFault("FORBIDDEN", message)


def _joined(words: Iterable[str]) -> bytes:
    return ", ".join(words).encode("latin-1")
