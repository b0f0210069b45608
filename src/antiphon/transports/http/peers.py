"""Who is at the other end, and what they asked for: the client's address, scheme and host, through proxies we trust."""

from __future__ import annotations

from antiphon.transports.http.settings import HttpSettings, head_bounds_of
from antiphon.wire.faults import FAULTS, WireFault, malformed
from antiphon.wire.head import Head
from antiphon.wire.hosts import Host, Hosts, parse_host
from antiphon.wire.paths import split_path
from antiphon.wire.proxies import Client, TrustedProxies
from antiphon.wire.request import Request

ACCEPTED, PLAIN, REMARKABLE, JSON = 1, 2, 4, 8
"""Notes on a head: its bounds and host are in order; nothing in it changes how a call is run; something does; the body
that it announces is JSON, as it is."""

_REMARKS = frozenset((b"expect", b"idempotency-key", b"if-match", b"x-request-timeout"))
_ORIGINS = frozenset((b"sec-fetch-site", b"origin"))

MISDIRECTED = FAULTS["MISDIRECTED"].status


def is_plain(head: Head) -> bool:
    """Whether none of the headers is there that change whether and how a call is run. Found out once for a head."""
    if not head.notes & (PLAIN | REMARKABLE):
        own = not head.has_any(_ORIGINS) or _is_own(head)
        head.notes |= PLAIN if own and not head.has_any(_REMARKS) else REMARKABLE
    return bool(head.notes & PLAIN)


def _is_own(head: Head) -> bool:
    # What a browser says of its own pages needs no second look; without its word the origin does.
    return head.get(b"sec-fetch-site") in ("same-origin", "none")


class Peers:
    """Reads heads: their bounds, their host, and what trusted proxies say of the client."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._hosts = Hosts(settings.hosts)
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._bounds = head_bounds_of(settings)
        self._trusting = bool(settings.trusted_proxies)

    def check_target(self, request: Request) -> None:
        """Refuse a target that is too long (414). Our own server has done so while it read it."""
        self._bounds.check_target(len(request.path) + len(request.query))

    def check_head(self, request: Request) -> None:
        """Refuse fields over their bounds (431), and a host that is missing, unclear (400) or not ours (421)."""
        head = request.head
        head.check(self._bounds)
        hosts = head.values(b"host")
        if hosts or request.version not in ("1.0", "2", "3"):
            self._check_host(request, hosts)
        if hosts:
            # HTTP/1.0 may come without a host; the next request with these headers may be 1.1.
            head.notes |= ACCEPTED

    def _check_host(self, request: Request, hosts: list[str]) -> None:
        said = self._client(request).host if self._trusting else None
        if said is not None:
            # The proxy's own word for us has to be readable; the one that counts is what its client asked for.
            if len(hosts) != 1 or parse_host(hosts[0]) is None:
                raise malformed("The request has no Host, or one that is malformed.")
            hosts = [said]
        try:
            self._hosts.check(hosts, self.scheme(request))
        except WireFault as fault:
            if fault.status == MISDIRECTED:
                # What cannot be read is told before what is not ours.
                split_path(request.path, self._settings.path_segments)
            raise

    def is_proxy(self, peer: str) -> bool:
        """Whether the other end of a connection is a proxy we trust."""
        return self._trusting and self._proxies.trusts(peer)

    def address(self, request: Request) -> str:
        """The client's address."""
        return self._client(request).address if self._trusting else request.peer

    def scheme(self, request: Request) -> str:
        """The scheme the client used."""
        return self._client(request).scheme if self._trusting else request.scheme

    def is_secure(self, request: Request) -> bool:
        """Whether the client used https; also to be asked of a request that was refused for what its proxy said."""
        try:
            return self.scheme(request) == "https"
        except WireFault:
            return request.scheme == "https"

    def origin(self, request: Request) -> str:
        """The origin the request is for, as a browser would write it."""
        scheme = self.scheme(request)
        said = self._client(request).host if self._trusting else None
        values = [said] if said is not None else request.header_values(b"host")
        host: Host = self._hosts.check(values, scheme)
        return f"{scheme}://{host.authority(scheme)}"

    def request_id(self, request: Request) -> str | None:
        """The id that a trusted proxy gave the request, or None."""
        if not self._trusting:
            return None
        return self._proxies.request_id(request.peer, request.header(b"x-request-id"))

    def _client(self, request: Request) -> Client:
        return self._proxies.client(request.peer, request.scheme, request.header)
