"""The opening handshake, a server's side (RFC 6455 §4.2): what a request must have, and what the 101 answers."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, NamedTuple

from antiphon.wire.faults import WireFault, malformed, method_not_allowed, upgrade_required
from antiphon.wire.grammar import is_token
from antiphon.wire.request import Request
from antiphon.wire.response import Headers

if TYPE_CHECKING:
    from antiphon.wire.websocket.deflate import Deflate, Deflated

# What is asked of a request, in this order, and what is answered when it is not so:
#
#   the method is GET                                             405
#   HTTP/1.1; before it, an Upgrade is to be ignored              426   RFC 9110 §7.8
#   Upgrade names websocket, Connection names upgrade             426
#   no body: its end and the first frame could be mistaken        400
#   one Sec-WebSocket-Version                                     400
#   ... and it is 13                                              426   RFC 6455 §4.4
#   one Sec-WebSocket-Key, the base64 of 16 bytes                 400
#   Sec-WebSocket-Protocol is a list of tokens, none twice        400
#   Sec-WebSocket-Extensions can be read, if compression is on    400
#
# Who may open a socket (Origin, tickets, limits) is not asked here but by the layer above.

_VERSION = "13"
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(r"[A-Za-z0-9+/]{22}==")


class Agreed(NamedTuple):
    """What both sides have agreed on: the headers of the 101, the subprotocol, and how messages are compressed."""

    headers: Headers
    subprotocol: str | None
    deflated: Deflated | None


def agree(request: Request, *, subprotocols: Sequence[str] = (), deflate: Deflate | None = None) -> Agreed:
    """Answer a handshake. `subprotocols` are those spoken here, the best first; `deflate` switches compression on.

    Raises WireFault as in the table above this function.
    """
    _check_upgrade(request)
    key = _one(request, b"sec-websocket-key")
    if not _KEY.fullmatch(key):
        raise malformed("Sec-WebSocket-Key is not the base64 of 16 bytes.")
    headers: Headers = [
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
        (b"sec-websocket-accept", accept_key(key)),
    ]
    subprotocol = choose_subprotocol(_offered(request), subprotocols)
    if subprotocol is not None:
        headers.append((b"sec-websocket-protocol", subprotocol.encode()))
    deflated = None
    if deflate is not None and (offers := request.header(b"sec-websocket-extensions")) is not None:
        deflated = deflate.agree(offers)
        if deflated is not None:
            headers.append((b"sec-websocket-extensions", deflated.terms))
    return Agreed(headers, subprotocol, deflated)


def accept_key(key: str) -> bytes:
    """The proof that a server has read this key (RFC 6455 §4.2.2). It is no secret and protects nothing."""
    return b64encode(sha1(key.encode() + _MAGIC, usedforsecurity=False).digest())


def choose_subprotocol(offered: Iterable[str], spoken: Sequence[str]) -> str | None:
    """The first that is spoken here of those offered, or None; without one the socket opens all the same."""
    offered = set(offered)
    return next((name for name in spoken if name in offered), None)


def _check_upgrade(request: Request) -> None:
    if request.method != "GET":
        raise method_not_allowed(["GET"], "A WebSocket is opened with GET.")
    # Without the words of an upgrade it is a plain request that came to the wrong path.
    if (
        request.version != "1.1"
        or not _names(request, b"upgrade", "websocket")
        or not _names(request, b"connection", "upgrade")
    ):
        raise _upgrade_needed()
    if request.has_body:
        raise malformed("A request that opens a WebSocket has no body.", close=True)
    if request.header(b"sec-websocket-version") is None or _one(request, b"sec-websocket-version") != _VERSION:
        raise _upgrade_needed()


def _upgrade_needed() -> WireFault:
    return upgrade_required("websocket", headers=[(b"sec-websocket-version", _VERSION.encode())])


def _names(request: Request, header: bytes, token: str) -> bool:
    value = request.header(header)
    return value is not None and any(word.strip(" \t").lower() == token for word in value.split(","))


def _one(request: Request, name: bytes) -> str:
    values = request.header_values(name)
    if len(values) != 1:
        shown = "-".join(word.capitalize() for word in name.decode().split("-")).replace("Websocket", "WebSocket")
        raise malformed(f"{shown} is sent exactly once to open a WebSocket; it came {len(values)} times.")
    return values[0].strip(" \t")


def _offered(request: Request) -> list[str]:
    value = request.header(b"sec-websocket-protocol")
    if value is None:
        return []
    names = [name.strip(" \t") for name in value.split(",")]
    if not all(map(is_token, names)) or len(set(names)) < len(names):
        raise malformed("Sec-WebSocket-Protocol is a list of different names.")
    return names
