"""The bounds and switches of HTTP."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from antiphon.core.errors import Fault
from antiphon.core.info import Environment
from antiphon.core.secrets import Secret
from antiphon.core.settings import Settings, doc, env
from antiphon.wire.head import HeadBounds
from antiphon.wire.server.bounds import Bounds

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=1)]

LEAST_TOKEN = 32
"""The shortest token that production takes, in characters."""


class HttpSettings(Settings, frozen=True):
    """How HTTP is served and what it bears."""

    section: ClassVar[str] = "http"

    host: Annotated[str, doc("The address to listen on; `0.0.0.0` for all of them.")] = "127.0.0.1"
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)], doc("The port to listen on; 0 takes a free one."), env("PORT")
    ] = 8080
    unix: Annotated[Path | None, doc("A Unix socket to listen on, instead of host and port.")] = None
    unix_mode: Annotated[
        Annotated[str, Meta(pattern="^0?[0-7]{3}$")], doc("The rights of its file: `660` is its user and group.")
    ] = "660"
    fd: Annotated[
        Annotated[int, Meta(ge=0)] | None, doc("A descriptor that this process inherits and that listens already.")
    ] = None
    workers: Annotated[
        Annotated[int, Meta(ge=0)] | Literal["auto"],
        doc("The processes of `serve`, all on one port; `auto` or 0 is one for each core."),
    ] = 1
    tls_certificate: Annotated[
        Path | None, doc("The certificate with its chain, as PEM; with it, connections are TLS.")
    ] = None
    tls_key: Annotated[Path | None, doc("The certificate's key, as PEM; unset when it is in the same file.")] = None
    origins: Annotated[
        list[str], doc("Web origins that may call from their pages; `*` means any, without credentials.")
    ] = []
    hosts: Annotated[
        list[str],
        doc(
            "Hosts that are answered: `example.com` on the default port of its scheme, `example.com:8080`, "
            "`example.com:*` on any port, `*.example.com`, `*`. Empty means any, which production refuses."
        ),
    ] = []
    trusted_proxies: Annotated[list[str], doc("Networks of proxies whose forwarding headers count.")] = []
    public_url: Annotated[str, doc("The address under which clients reach this server, for links in errors.")] = ""
    url_bytes: Annotated[Size, doc("The longest request target.")] = 8 * 1024
    header_bytes: Annotated[Size, doc("All headers of a request together.")] = 32 * 1024
    one_header_bytes: Annotated[Size, doc("One header of a request.")] = 8 * 1024
    header_count: Annotated[Count, doc("The number of headers of a request.")] = 100
    cookie_bytes: Annotated[Size, doc("All cookies of a request together.")] = 8 * 1024
    header_time: Annotated[timedelta, doc("The time a head has to arrive, from its first byte.")] = timedelta(
        seconds=10
    )
    body_bytes: Annotated[Size, doc("A body of JSON or of a form.")] = 1024 * 1024
    upload_bytes: Annotated[Size, doc("A body with files.")] = 25 * 1024 * 1024
    file_bytes: Annotated[Size, doc("One file of a body.")] = 10 * 1024 * 1024
    body_time: Annotated[timedelta, doc("The time a body has to arrive.")] = timedelta(seconds=60)
    body_rate_bytes: Annotated[Size, doc("The slowest a body may come, in bytes a second, after five seconds.")] = 1024
    multipart_parts: Annotated[Count, doc("The parts of a multipart body.")] = 100
    field_bytes: Annotated[Size, doc("One text field of a multipart body.")] = 64 * 1024
    part_header_bytes: Annotated[Size, doc("The headers of one part of a multipart body.")] = 8 * 1024
    path_segments: Annotated[Count, doc("The segments of a path.")] = 64
    json_depth: Annotated[Count, doc("How deep JSON may be nested.")] = 64
    values: Annotated[Count, doc("The values of one name in a query or a form.")] = 1000
    call_time: Annotated[timedelta, doc("The time of one call that is no stream.")] = timedelta(seconds=30)
    calls: Annotated[Count, doc("The calls at once, in one process.")] = 1000
    connections: Annotated[Count, doc("The connections at once, in one process.")] = 20_000
    per_address: Annotated[
        Count, doc("The connections of one address at once; loopback and trusted proxies apart.")
    ] = 200
    stall_time: Annotated[timedelta, doc("How long a client may take nothing of its answer.")] = timedelta(seconds=60)
    idle_time: Annotated[timedelta, doc("How long a connection may wait for its next request.")] = timedelta(seconds=75)
    drain_delay: Annotated[timedelta, doc("How long readiness is off before the listener closes.")] = timedelta(0)
    drain_time: Annotated[timedelta, doc("How long running calls have at the end.")] = timedelta(seconds=25)
    comment_time: Annotated[timedelta, doc("How often a silent event stream sends a comment.")] = timedelta(seconds=15)
    docs: Annotated[bool | None, doc("Whether `/docs` and `/api/swagger` answer; unset means outside production.")] = (
        None
    )
    metrics: Annotated[bool | None, doc("Whether `/metrics` answers; unset means outside production.")] = None
    metrics_token: Annotated[
        Secret[str], doc("With this bearer token `/metrics` answers a scraper that has not signed in; empty is none.")
    ] = Secret("")

    def problems(self, environment: Environment) -> Iterable[Fault]:
        """A token that no header can carry, or that somebody could guess; a key without its certificate.

        In production also no name to answer to, and a word about clients that everybody may say.
        """
        if environment == "production" and not self.hosts:
            yield Fault("hosts", "is empty, which production refuses. Name the hosts that this server answers for")
        if environment == "production" and any(map(_trusts_everybody, self.trusted_proxies)):
            yield Fault("trusted_proxies", "trusts everybody, so any client could forge its address. Name your proxies")
        if self.tls_key is not None and self.tls_certificate is None:
            yield Fault("tls_key", "is set without tls_certificate. Set both, or none.")
        token = self.metrics_token.reveal()
        if not token.isascii() or any(not "!" <= character <= "~" for character in token):
            yield Fault("metrics_token", "cannot stand in a header. Write visible ASCII without spaces.")
        elif environment == "production" and 0 < len(token) < LEAST_TOKEN:
            yield Fault("metrics_token", f"is too short for production. Write {LEAST_TOKEN} random characters or more.")

    def warnings(self, environment: Environment) -> Iterable[Fault]:
        """What is open wider than it has to be, and what is missing in front of this server."""
        if "*" in self.hosts:
            yield Fault("hosts", "answers for any name, so whoever points a name here can have links and caches say it")
        if "*" in self.origins:
            yield Fault("origins", "lets the pages of every site read what needs no signing in. Name the sites")
        if any(origin.startswith("http://") for origin in self.origins):
            yield Fault("origins", "trusts pages that come over plain http, which anybody on the way can change")
        if self.tls_certificate is None and not self.trusted_proxies:
            yield Fault(
                "trusted_proxies",
                "is empty and there is no http.tls_certificate: nothing here speaks https, which cookies need. Behind "
                "a proxy name it, or all clients count as one address",
            )


def _trusts_everybody(network: str) -> bool:
    # 0.0.0.0/0, ::/0, and the halves of them that say the same in two.
    address, _, length = network.partition("/")
    return length.isdecimal() and int(length) < (8 if ":" not in address else 7)


def bounds_of(settings: HttpSettings) -> Bounds:
    """What connections are bounded by."""
    return Bounds(
        head=head_bounds_of(settings),
        head_seconds=settings.header_time.total_seconds(),
        idle_seconds=settings.idle_time.total_seconds(),
        rate_bytes=settings.body_rate_bytes,
        stall_seconds=settings.stall_time.total_seconds(),
        connections=settings.connections,
        per_address=settings.per_address,
    )


def head_bounds_of(settings: HttpSettings) -> HeadBounds:
    """What the head of a request is bounded by, whichever server read it."""
    return HeadBounds(
        settings.url_bytes,
        settings.header_bytes,
        settings.one_header_bytes,
        settings.header_count,
        settings.cookie_bytes,
    )
