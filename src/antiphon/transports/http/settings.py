"""The bounds and switches of HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon.core.settings import Settings, doc, env

Count = Annotated[int, Meta(ge=1)]
Size = Annotated[int, Meta(ge=1)]


class HttpSettings(Settings, frozen=True):
    """How HTTP is served and what it bears."""

    section: ClassVar[str] = "http"

    host: Annotated[str, doc("The address to listen on; `0.0.0.0` for all of them.")] = "127.0.0.1"
    port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)], doc("The port to listen on; 0 takes a free one."), env("PORT")
    ] = 8080
    origins: Annotated[
        list[str], doc("Web origins that may call from their pages; `*` means any, without credentials.")
    ] = []
    hosts: Annotated[list[str], doc("Host names that are answered; empty means any, which production refuses.")] = []
    trusted_proxies: Annotated[list[str], doc("Networks of proxies whose forwarding headers count.")] = []
    public_url: Annotated[str, doc("The address under which clients reach this server, for links in errors.")] = ""
    url_bytes: Annotated[Size, doc("The longest request target.")] = 8 * 1024
    header_bytes: Annotated[Size, doc("All headers of a request together.")] = 32 * 1024
    one_header_bytes: Annotated[Size, doc("One header of a request.")] = 8 * 1024
    header_count: Annotated[Count, doc("The number of headers of a request.")] = 100
    body_bytes: Annotated[Size, doc("A body of JSON or of a form.")] = 1024 * 1024
    upload_bytes: Annotated[Size, doc("A body with files.")] = 25 * 1024 * 1024
    file_bytes: Annotated[Size, doc("One file of a body.")] = 10 * 1024 * 1024
    body_time: Annotated[timedelta, doc("The time a body has to arrive.")] = timedelta(seconds=60)
    multipart_parts: Annotated[Count, doc("The parts of a multipart body.")] = 100
    field_bytes: Annotated[Size, doc("One text field of a multipart body.")] = 64 * 1024
    part_header_bytes: Annotated[Size, doc("The headers of one part of a multipart body.")] = 8 * 1024
    path_segments: Annotated[Count, doc("The segments of a path.")] = 64
    json_depth: Annotated[Count, doc("How deep JSON may be nested.")] = 64
    values: Annotated[Count, doc("The values of one name in a query or a form.")] = 1000
    call_time: Annotated[timedelta, doc("The time of one call that is no stream.")] = timedelta(seconds=30)
    calls: Annotated[Count, doc("The calls at once, in one process.")] = 1000
    connections: Annotated[Count, doc("The connections at once, in one process.")] = 20_000
    idle_time: Annotated[timedelta, doc("How long a connection may wait for its next request.")] = timedelta(seconds=75)
    drain_delay: Annotated[timedelta, doc("How long readiness is off before the listener closes.")] = timedelta(0)
    drain_time: Annotated[timedelta, doc("How long running calls have at the end.")] = timedelta(seconds=25)
    comment_time: Annotated[timedelta, doc("How often a silent event stream sends a comment.")] = timedelta(seconds=15)
    docs: Annotated[bool | None, doc("Whether `/docs` and `/api/swagger` answer; unset means outside production.")] = (
        None
    )
    metrics: Annotated[bool | None, doc("Whether `/metrics` answers; unset means outside production.")] = None
