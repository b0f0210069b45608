"""Turns a result into an answer: status, headers, entity tag, file, compression."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from math import ceil
from types import CoroutineType
from typing import Any

import msgspec

from antiphon.core.context import Context
from antiphon.core.idempotency import Replayed
from antiphon.core.inputs.types import encode_kind
from antiphon.core.job import AskAgain
from antiphon.core.results import Download
from antiphon.core.session import SessionEnded, SessionStarted
from antiphon.transports.http.browsers import SECURITY
from antiphon.transports.http.limits import limit_fields
from antiphon.transports.http.routes import ETag, Route
from antiphon.wire.conditional import EntityTag, http_date, not_modified, strong_tag, tag_of_bytes
from antiphon.wire.cookies import clear_cookie, write_cookie
from antiphon.wire.encoding import LARGEST_ON_LOOP_BYTES, SMALLEST_BYTES, Encoder, encoded_tag
from antiphon.wire.paths import PathTemplate, content_disposition
from antiphon.wire.ranges import choose_range
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, FileResponse, FixedHeaders, Headers, Response

JSON = (b"content-type", b"application/json")
VARY = (b"vary", b"origin")
VARY_CODING = (b"vary", b"origin, accept-encoding")
NO_STORE = (b"cache-control", b"no-store")
REVALIDATE = (b"cache-control", b"private, no-cache")
SANDBOX = (b"content-security-policy", b"sandbox")
REPLAYED = (b"idempotent-replayed", b"true")
_NONE: Headers = []

encode_json: Callable[[Any], bytes] = msgspec.json.Encoder(enc_hook=encode_kind).encode


class Cookies:
    """How the session id travels; the one place that writes it."""

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        self.name = "__Host-session" if secure else "session"

    def headers(self, ctx: Context) -> Headers:
        """What the facts of a call mean for the cookie; the last fact counts."""
        for fact in reversed(ctx.facts or ()):
            if isinstance(fact, SessionStarted):
                text = write_cookie(
                    self.name,
                    fact.token,
                    max_age=timedelta(seconds=fact.life_seconds),
                    secure=self.secure,
                    httponly=True,
                    samesite="Lax",
                )
                return [(b"set-cookie", text.encode())]
            if isinstance(fact, SessionEnded):
                if ctx.connection.bearer is not None:
                    # A token has signed out; the cookie beside it was not read and is another sign-in's.
                    return []
                return [(b"set-cookie", clear_cookie(self.name, secure=self.secure).encode())]
        return []


def replay_fields(ctx: Context) -> Headers:
    """The word that this answer was given before, under the same `Idempotency-Key`."""
    return [REPLAYED] if ctx.told(Replayed) is not None else []


def _ok(result: object) -> int:
    return 200


class Answers:
    """How one route answers."""

    __slots__ = (
        "_base",
        "_coding",
        "_cookies",
        "_empty",
        "_etag",
        "_fixed",
        "_large",
        "_location",
        "_small",
        "_status_of",
    )

    def __init__(self, route: Route, tag: ETag | None, policy: Headers, cookies: Cookies, coding: Encoder) -> None:
        self._fixed = route.status if isinstance(route.status, int) else 0
        self._status_of = route.status if callable(route.status) else _ok
        self._location = PathTemplate(route.prefix + route.location) if route.location else None
        self._etag = tag
        self._cookies = cookies
        self._coding = coding
        keeping = REVALIDATE if tag is not None else NO_STORE
        if route.fresh_seconds:
            keeping = (b"cache-control", b"public, max-age=%d" % route.fresh_seconds)
        self._base: Headers = [*SECURITY, *policy, keeping]
        self._empty = FixedHeaders([*self._base, VARY])
        self._small = FixedHeaders([JSON, *self._base, VARY])
        self._large = FixedHeaders([JSON, *self._base, VARY_CODING])

    def answer(
        self, request: Request, ctx: Context, result: Any, request_id: str
    ) -> Answer | CoroutineType[Any, Any, Answer]:
        """The answer for a result; to be awaited where there is much to compress."""
        if result.__class__ is Download:
            return self._file(request, ctx, result, request_id)
        status = self._fixed or self._status_of(result)
        headers = self._extra(ctx, result) if ctx.facts or self._location is not None else _NONE
        if result is None:
            return Response(204 if status == 200 else status, headers, b"", self._empty, request_id)
        body = result if result.__class__ is bytes else encode_json(result)
        if len(body) < SMALLEST_BYTES and self._etag is None:
            return Response(status, headers, body, self._small, request_id)
        return self._compared(request, status, body, result, headers, request_id)

    def _compared(
        self, request: Request, status: int, body: bytes, result: Any, headers: Headers, request_id: str
    ) -> Answer | CoroutineType[Any, Any, Answer]:
        """An answer with an entity tag, or one worth compressing."""
        tag = self._tag(body, result)
        if tag is not None:
            if request.method in ("GET", "HEAD"):
                same = not_modified(if_none_match=request.header(b"if-none-match"), if_modified_since=None, current=tag)
                if same is not None:
                    return Response(304, [*headers, (b"etag", same.encode())], b"", self._large, request_id)
        coding = self._coding.negotiate(request.header(b"accept-encoding")) if len(body) >= SMALLEST_BYTES else None
        if tag is not None:
            text = str(tag) if coding is None or tag.weak else encoded_tag(str(tag), coding)
            headers = [*headers, (b"etag", text.encode())]
        if coding is None:
            return Response(status, headers, body, self._large, request_id)
        headers = [*headers, (b"content-encoding", coding.encode())]
        if len(body) > LARGEST_ON_LOOP_BYTES:
            return self._packed(Response(status, headers, body, self._large, request_id), coding)
        return Response(status, headers, self._coding.compress(body, coding), self._large, request_id)

    async def _packed(self, answer: Response, coding: str) -> Answer:
        answer.body = await self._coding.compress_off_loop(answer.body, coding)
        return answer

    def _tag(self, body: bytes, result: Any) -> EntityTag | None:
        if self._etag is None:
            return None
        return strong_tag(getattr(result, self._etag.by)) if self._etag.by else tag_of_bytes(body)

    def _extra(self, ctx: Context, result: Any) -> Headers:
        headers: Headers = []
        if ctx.facts:
            headers += self._cookies.headers(ctx)
            headers += limit_fields(ctx.facts)
            headers += replay_fields(ctx)
            if (again := ctx.told(AskAgain)) is not None:
                headers.append((b"retry-after", str(max(1, ceil(again.seconds))).encode()))
        if self._location is not None and result is not None:
            values = {name: getattr(result, name) for name in self._location.names}
            headers.append((b"location", self._location.fill(values).encode()))
        return headers

    def _file(self, request: Request, ctx: Context, file: Download, request_id: str) -> Answer:
        tag = strong_tag(file.etag)
        headers: Headers = [
            (REQUEST_ID, request_id.encode()),
            *(
                (name, value)
                for name, value in self._base
                if name not in (b"content-security-policy", b"cache-control")
            ),
            SANDBOX,
            REVALIDATE,
            VARY,
            (b"etag", str(tag).encode()),
            (b"accept-ranges", b"bytes"),
            (b"content-disposition", content_disposition(file.name).encode()),
            *self._extra(ctx, None),
        ]
        if file.modified_at is not None:
            headers.append((b"last-modified", http_date(file.modified_at).encode()))
        return send_file(request, ctx, file, tag, headers)


def send_file(request: Request, ctx: Context, file: Download, tag: EntityTag, headers: Headers) -> Answer:
    """A file, a part of it, or the word that the client has it already (RFC 9110 §13, §14)."""
    same = not_modified(
        if_none_match=request.header(b"if-none-match"),
        if_modified_since=request.header(b"if-modified-since"),
        current=tag,
        modified_at=file.modified_at,
        now=ctx.now,
    )
    if same is not None:
        return Response(304, headers)
    headers.append((b"content-type", file.type.encode()))
    part = choose_range(
        request.header(b"range") if request.method == "GET" else None,
        request.header(b"if-range"),
        size_bytes=file.size_bytes,
        current=tag,
        modified_at=file.modified_at,
        now=ctx.now,
    )
    if part is None:
        return FileResponse(200, headers, file.path, 0, file.size_bytes)
    headers.append((b"content-range", part.content_range(file.size_bytes).encode()))
    return FileResponse(206, headers, file.path, part.offset, part.count)
