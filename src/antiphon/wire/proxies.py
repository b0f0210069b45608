"""What trusted proxies say of a request: the client's address, its scheme and its host (RFC 7239)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from antiphon.core.errors import SetupError
from antiphon.wire.faults import malformed
from antiphon.wire.grammar import read_parameters, split_outside_quotes
from antiphon.wire.hosts import parse_host

# The theory. Each proxy adds, on the right, the address it was called from:
#
#     client 203.0.113.9  ->  proxy 10.0.0.2  ->  proxy 10.0.0.1  ->  us
#     X-Forwarded-For: <whatever the client sent>, 203.0.113.9, 10.0.0.2      peer: 10.0.0.1
#
# Read from the right, each address is true as long as the one that told it is trusted. The first that is not
# trusted is the client; what stands left of it is the client's own invention and is not even parsed.
#
# | what                    | whose word                                                                  |
# |-------------------------|-----------------------------------------------------------------------------|
# | address                 | the right-most one that is not trusted; the left-most when all are          |
# | host, proto (Forwarded) | the element with that address; else the next one to its right that has it   |
# | X-Forwarded-Host,-Proto | the entry as many from the right; the left-most when there are fewer        |

type Header = Callable[[bytes], str | None]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,128}")
_WITH_PORT = re.compile(r"(\d{1,3}(?:\.\d{1,3}){3}):[0-9]{1,5}|\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?", re.ASCII)
# RFC 7239 §6: a node that does not want to be known. "unknown" is in X-Forwarded-For too (Squid writes it).
_HIDDEN = re.compile(r"(?:unknown|_[A-Za-z0-9._\-]+)(?::[A-Za-z0-9._\-]+)?", re.IGNORECASE)
_SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_UNIX = "unix"
# A socket that listens on both families shows an IPv4 client as ::ffff:203.0.113.9.
_MAPPED = "::ffff:"
_MOST_REMEMBERED = 1024


class Client(NamedTuple):
    """Who a request is from and how it was addressed, as far as a trusted word goes."""

    address: str
    scheme: str
    host: str | None
    """The host the client asked for, or None when the request's own `Host` says it."""


class _Said(NamedTuple):
    # What one kind of header says; None where it says nothing.
    address: str | None
    scheme: str | None
    host: str | None


_NOTHING = _Said(None, None, None)


class TrustedProxies:
    """The networks whose word is taken: addresses, networks such as `10.0.0.0/8`, and `unix` for local sockets."""

    __slots__ = ("_any", "_known", "_networks", "_unix")

    def __init__(self, networks: Iterable[str] = ()) -> None:
        entries = list(networks)
        self._any = bool(entries)
        self._unix = _UNIX in entries
        self._known: dict[str, bool] = {}
        try:
            self._networks = [ip_network(entry) for entry in entries if entry != _UNIX]
        except ValueError as problem:
            raise SetupError(f"http.trusted_proxies: {problem}; write networks such as 10.0.0.0/8.") from None

    def trusts(self, peer: str) -> bool:
        """Whether the other end of a connection is a trusted proxy; "" is a local socket."""
        known = self._known.get(peer)
        if known is None:
            address = _read_address(peer) if peer else None
            known = self._contains(address) if address is not None else self._unix and not peer
            # Reading an address costs more than all the rest here, and the proxies that call us are few.
            if len(self._known) < _MOST_REMEMBERED:
                self._known[peer] = known
        return known

    def client(self, peer: str, scheme: str, header: Header) -> Client:
        """The client behind a connection; `header` gives a header by its lower-case name.

        The word of a peer that is not trusted is not read. When a trusted proxy's header is malformed, or
        `Forwarded` and `X-Forwarded-*` are both there and differ, the request is refused (400). A trusted proxy has to
        set or remove each of these headers: what it lets through from its client is taken for its own word.
        """
        if not self._any or not self.trusts(peer):
            return Client(_plain(peer), scheme, None)
        forwarded = header(b"forwarded")
        new = self._read_forwarded(forwarded) if forwarded else _NOTHING
        old = self._read_x_forwarded(header)
        for one, other in zip(new, old, strict=True):
            if one is not None and other is not None and one != other:
                raise malformed("Forwarded and X-Forwarded-* are both there and differ.")
        return Client(
            new.address or old.address or _plain(peer),
            new.scheme or old.scheme or scheme,
            new.host or old.host,
        )

    def request_id(self, peer: str, sent: str | None) -> str | None:
        """The `X-Request-Id` of a trusted proxy when it is 8 to 128 of `[A-Za-z0-9._-]`, else None."""
        if sent is None or not self._any or not self.trusts(peer):
            return None
        return sent if _REQUEST_ID.fullmatch(sent) else None

    def _contains(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)

    def _find_client(self, nodes: Sequence[str | None]) -> tuple[int, str | None]:
        """The place of the client among `nodes`, and the address nearest to it that is known."""
        at, found = 0, None
        for at in range(len(nodes) - 1, -1, -1):
            node = nodes[at]
            text = _read_node(node) if node is not None else None
            if text is None:
                # A hidden node is nobody we know, so nobody we trust. What called us last is all that is known.
                return at, found
            address = _read_address(text)
            if address is None:
                raise malformed("A trusted proxy forwarded an address that is none.")
            found = str(address)
            if not self._contains(address):
                break
        return at, found

    def _read_x_forwarded(self, header: Header) -> _Said:
        chain, hosts, schemes = (
            _list(header(name)) for name in (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
        )
        if not (chain or hosts or schemes):
            return _NOTHING
        at, address = self._find_client(chain)
        back = len(chain) - at if chain else 1
        return _Said(
            address,
            _read_scheme(schemes[max(0, len(schemes) - back)]) if schemes else None,
            _read_host(hosts[max(0, len(hosts) - back)]) if hosts else None,
        )

    def _read_forwarded(self, text: str) -> _Said:
        elements: list[dict[str, str]] = []
        for member in split_outside_quotes(text, ","):
            element = read_parameters(split_outside_quotes(member, ";"))
            if element is None:
                # Left of a malformed element nothing can be told apart; right of it all is well.
                elements = []
            elif element:
                elements.append(element)
        if not elements:
            raise malformed("A trusted proxy sent a malformed Forwarded.")
        at, address = self._find_client([element.get("for") for element in elements])
        known = elements[at:]
        scheme = next((element["proto"] for element in known if "proto" in element), None)
        host = next((element["host"] for element in known if "host" in element), None)
        return _Said(
            address,
            None if scheme is None else _read_scheme(scheme),
            None if host is None else _read_host(host),
        )


def _list(text: str | None) -> list[str]:
    return [piece for piece in (piece.strip(" \t") for piece in text.split(",")) if piece] if text else []


def _read_node(text: str) -> str | None:
    """The address in a node of either kind, without a port and brackets; None when the node hides itself."""
    if _HIDDEN.fullmatch(text):
        return None
    found = _WITH_PORT.fullmatch(text)
    return found[1] or found[2] if found else text


def _plain(peer: str) -> str:
    return peer.removeprefix(_MAPPED) if "." in peer else peer


def _read_address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _read_scheme(text: str) -> str:
    scheme = _SCHEMES.get(text.lower())
    if scheme is None:
        raise malformed("A trusted proxy forwarded a scheme that is neither http nor https.")
    return scheme


def _read_host(text: str) -> str:
    if parse_host(text) is None:
        raise malformed("A trusted proxy forwarded a host that is malformed.")
    return text.lower()
