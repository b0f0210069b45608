"""What stands between browsers and calls: cross-site refusals, CORS, and the security headers of every answer.

Sec-Fetch-Site            Origin                     an unsafe method
same-origin, none         any                        passes
same-site, cross-site     on the list                passes
same-site, cross-site     not on it                  403
–                         the target's own, on list  passes
–                         another, or `null`         403
–                         –                          passes: no browser sent it
"""

from __future__ import annotations

from collections.abc import Iterable

from antiphon.transports.http.peers import Peers
from antiphon.wire.faults import forbidden
from antiphon.wire.request import Request
from antiphon.wire.response import Headers

SAFE = frozenset(("GET", "HEAD", "OPTIONS"))

SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
POLICY = (b"content-security-policy", b"default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")

ALLOWED_HEADERS = (
    b"authorization, consistency, content-type, idempotency-key, if-match, if-none-match, "
    b"traceparent, tracestate, x-request-timeout"
)
EXPOSED_HEADERS = (
    b"buffer-pressure, data-age, etag, idempotent-replayed, link, location, ratelimit, ratelimit-policy, "
    b"retry-after, x-request-id, x-total-count"
)
PREFLIGHT_SECONDS = b"600"


class Browsers:
    """The rules for pages, of one server."""

    def __init__(self, origins: Iterable[str], peers: Peers) -> None:
        listed = set(origins)
        self._any = "*" in listed
        # `null` is what sandboxed and local pages say: it names nobody, so it can be on no list.
        self._listed = listed - {"*", "null"}
        self._peers = peers
        self.shares = bool(self._listed) or self._any

    def refuse_cross_site(self, request: Request) -> None:
        """Raise a 403 for an unsafe request that a page of another site made."""
        header = request.head.get
        site = header(b"sec-fetch-site")
        origin = header(b"origin")
        if site is not None:
            if site in ("same-origin", "none") or (origin is not None and origin in self._listed):
                return
        elif origin is None or origin in self._listed or origin == self._peers.origin(request):
            return
        raise forbidden("This request comes from a page of another site.")

    def knows_origin(self, request: Request) -> bool:
        """Whether the page that a request says it is from is one of ours, or a listed one; also when it names none."""
        origin = request.header(b"origin")
        return origin is None or origin in self._listed or origin == self._peers.origin(request)

    def headers(self, request: Request) -> Headers:
        """What an answer says to a page of a listed origin; nothing to any other."""
        origin = request.header(b"origin")
        if origin is None:
            return []
        if origin in self._listed:
            allowed: Headers = [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-credentials", b"true"),
            ]
        elif self._any and origin != "null":
            allowed = [(b"access-control-allow-origin", b"*")]
        else:
            return []
        return [*allowed, (b"access-control-expose-headers", EXPOSED_HEADERS)]

    def preflight(self, request: Request, methods: Iterable[str]) -> Headers:
        """What OPTIONS says to a page of a listed origin before it makes its request, beside `headers`."""
        if request.header(b"access-control-request-method") is None or not self.headers(request):
            return []
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", ALLOWED_HEADERS),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
