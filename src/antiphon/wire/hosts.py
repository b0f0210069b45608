"""The `Host` of a request: whether it is one, and whether this server answers for it (RFC 9112 §3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

from antiphon.core.errors import SetupError
from antiphon.wire.faults import malformed, misdirected

# A comma is allowed in a reg-name, but it is also how an intermediary joins two Hosts, so it is refused.
_HOST = re.compile(
    r"(?:(?:[A-Za-z0-9\-._~!$&'()*+;=]|%[0-9A-Fa-f]{2})+|\[(?P<ipv6>[0-9A-Fa-f:.]+)\])(?::(?P<port>[0-9]{0,5}))?"
)
_NAME = re.compile(r"(?:\*\.)?[a-z0-9_](?:[a-z0-9_\-.]*[a-z0-9_])?|\[[0-9a-f:.]+\]")
_ENTRY_WITH_PORT = re.compile(r"(.+):([0-9]{1,5}|\*)")
_MOST_CHARACTERS = 255 + len(":65535")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Enough for every name a real server has; a client that makes names up fills it once and gains nothing.
_MOST_REMEMBERED = 256


class Host(NamedTuple):
    """A host in lower case, an IPv6 address in brackets and in its shortest form, and its port if one was said."""

    name: str
    port: int | None

    def authority(self, scheme: str) -> str:
        """One spelling for one place: `example.com`, or `example.com:8080` when the port is not the scheme's own."""
        return self.name if self.port in (None, _DEFAULT_PORTS.get(scheme)) else f"{self.name}:{self.port}"


def parse_host(text: str) -> Host | None:
    """The host and port of a `Host` header or an authority, or None when it is malformed."""
    found = _HOST.fullmatch(text) if len(text) <= _MOST_CHARACTERS else None
    if found is None:
        return None
    digits, ipv6 = found["port"], found["ipv6"]
    port = int(digits) if digits else None
    if port is not None and port > 65535:
        return None
    if ipv6 is not None:
        try:
            return Host(f"[{IPv6Address(ipv6)}]", port)
        except AddressValueError:
            return None
    # A name may end with the dot of the root; it is the same name.
    name = text[: found.start("port") - 1] if digits is not None else text
    name = name.lower().removesuffix(".")
    return Host(name, port) if name else None


class Hosts:
    """The hosts a server answers for. Without a list it answers for any.

    An entry is `example.com` (the default port of the scheme), `example.com:8080`, `example.com:*` (any port),
    `*.example.com` (every name below it, not itself) or `*`.
    """

    __slots__ = ("_any", "_below", "_exact", "_known")

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        entries = list(allowed)
        self._any = not entries or "*" in entries
        self._exact: set[tuple[str, str]] = set()
        self._below: list[tuple[str, str]] = []
        self._known: dict[tuple[str, str], Host] = {}
        for entry in entries:
            if entry != "*":
                self._add(entry)

    def _add(self, entry: str) -> None:
        name, port = entry.lower(), ""
        if found := _ENTRY_WITH_PORT.fullmatch(name):
            name, port = found[1], found[2].lstrip("0") or "0"
        if not _NAME.fullmatch(name):
            raise SetupError(f"{entry!r} is no host for http.hosts; write example.com, *.example.com or [::1]:8080.")
        if name.startswith("*."):
            self._below.append((name[1:], port))
            return
        if name.startswith("["):
            parsed = parse_host(name)
            if parsed is None:
                raise SetupError(f"{entry!r} in http.hosts is no IPv6 address.")
            name = parsed.name
        self._exact.add((name, port))

    def check(self, values: Sequence[str], scheme: str) -> Host:
        """The one host of a request, from every `Host` it has.

        None, two, an empty or a malformed one are refused (400), and one that is not on the list (421).
        """
        if len(values) != 1:
            raise malformed("The request has no Host." if not values else "The request has more than one Host.")
        text = values[0]
        known = self._known.get((text, scheme))
        if known is not None:
            return known
        host = parse_host(text)
        if host is None:
            raise malformed("The Host is malformed.")
        if not self.admits(host, scheme):
            raise misdirected()
        if len(self._known) < _MOST_REMEMBERED:
            self._known[text, scheme] = host
        return host

    def admits(self, host: Host, scheme: str) -> bool:
        """Whether the list names this host, under the scheme the client used."""
        if self._any:
            return True
        port = host.port if host.port is not None else _DEFAULT_PORTS.get(scheme)
        said = "" if port == _DEFAULT_PORTS.get(scheme) else str(port)
        ports = (said, str(port), "*")
        if any((host.name, port) in self._exact for port in ports):
            return True
        return any(host.name.endswith(suffix) and port in ports for suffix, port in self._below)
