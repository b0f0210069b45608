"""The request line: which methods there are, and what a target may be (RFC 9112 §3)."""

from __future__ import annotations

from antiphon.wire.faults import WireFault, malformed
from antiphon.wire.hosts import parse_host

METHODS = {
    method.encode(): method for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY")
}
"""The methods that are told apart; whatever else llhttp knows is passed on as it came."""

VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}

# The four forms of a target, and what becomes of them:
#
#   origin      /path?query             as it is
#   absolute    http://host/path        the path; its host has to be the one that Host names
#   asterisk    *                       as it is, for OPTIONS only
#   authority   host:port               CONNECT only, which is refused by its method


def read_method(method: bytes) -> str:
    """A method that is not in `METHODS`. Raises WireFault 405 for CONNECT, and closes.

    Whoever sends CONNECT may send what the tunnel is for without waiting: none of that is a request to us.
    """
    if method == b"CONNECT":
        raise WireFault("METHOD_NOT_ALLOWED", "This is no proxy.", headers=[(b"allow", b"")], close=True)
    return method.decode("ascii")


def read_target(method: bytes, target: bytes, host: str | None) -> bytes:
    """The origin form of a target that is none, with the query still on it. Raises WireFault 400."""
    if target == b"*":
        if method != b"OPTIONS":
            raise malformed("The target * is for OPTIONS only.", close=True)
        return target
    scheme, _, rest = target.partition(b"://")
    if scheme.lower() not in (b"http", b"https"):
        raise malformed("The target is neither a path nor an http address.", close=True)
    end = min((at for at in (rest.find(b"/"), rest.find(b"?")) if at >= 0), default=len(rest))
    check_authority(rest[:end], host)
    path = rest[end:]
    return path if path[:1] == b"/" else b"/" + path


def check_authority(authority: bytes, host: str | None) -> None:
    """Refuse an absolute target whose host differs from `Host`: which of them counts would be anybody's choice."""
    named = parse_host(authority.decode("latin-1"))
    if named is None or host is None or parse_host(host) != named:
        raise malformed("The target names another host than Host does.", close=True)
