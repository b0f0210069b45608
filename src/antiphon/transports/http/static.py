"""Static files: what `static("/", folder)` gives away, and what it never does.

    asked for                                       answer
    a file inside the folder                        200, 206, 304 or 416
    a folder with `index.html`, ending in a slash   that file
    the same without the slash                      308 to the one with it, or its links would miss
    either of them by OPTIONS, or to change it      204 or 405, with `Allow`
    a dot file, a link that leads out, a pipe       404, as if it were not there
    anything else                                   the next folder's, or 404

Looking, hashing, reading and compressing are done in threads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from antiphon.core.errors import SetupError
from antiphon.transports.http.answers import VARY, VARY_CODING
from antiphon.transports.http.folder import Folder, FoundFile, Missing, Within
from antiphon.transports.http.kept import SHARED
from antiphon.transports.http.page_policy import page_headers
from antiphon.wire.conditional import http_date, not_modified
from antiphon.wire.encoding import encoded_tag, is_compressible
from antiphon.wire.faults import WireFault, method_not_allowed, not_found
from antiphon.wire.paths import quote_segment, split_path
from antiphon.wire.ranges import choose_range
from antiphon.wire.request import Request
from antiphon.wire.response import REQUEST_ID, Answer, FileResponse, Headers, Response

if TYPE_CHECKING:
    from antiphon.transports.http.server import Fallback, Server

_CLIENT_SCRIPT = Path(__file__).parents[2] / "client" / "antiphon.js"

METHODS = ("GET", "HEAD", "OPTIONS")

LARGEST_COMPRESSED_BYTES = 1024 * 1024
"""Larger files go out as they are."""

LARGEST_KEPT_BYTES = 16 * 1024 * 1024
"""The compressed forms that are kept in memory for one folder; the oldest goes first."""


@dataclass(frozen=True, slots=True)
class Static:
    """A folder whose files are answered under a path, or one file that is answered at it."""

    path: str
    folder: Path

    def serve(self, server: Server) -> Fallback:
        """What answers for this folder. Raises SetupError when there is no such folder."""
        if self.folder.is_file():
            return StaticFiles(server, self.path, Folder(self.folder.parent), only=self.folder.name)
        if not self.folder.is_dir():
            raise SetupError(
                f"static({self.path or '/'!r}, ...): there is no folder {str(self.folder)!r}. Make it, or name another."
            )
        return StaticFiles(server, self.path, Folder(self.folder))


def static(path: str, folder: Path | str) -> Static:
    """Answer GET and HEAD under `path` with the files of `folder`, where no route does: `static("/", "public")`.

    A file in place of the folder is answered at exactly this path, and nothing beside it is.
    Everybody may read every file in it, except dot files. Of several folders that fit, the first one that has the file
    answers. Pages have a strict policy: scripts and styles come from files of their own, never inline.
    """
    if not path.startswith("/") or "{" in path:
        raise SetupError(f"static({path!r}, ...): the path must begin with a slash, and has no places.")
    return Static(path.rstrip("/"), Path(folder))


def client_script(path: str = "/antiphon.js") -> Static:
    """Answer with the JavaScript client of this version: `Http(static=[client_script()])`.

    Pages import it: `import { connect } from "/antiphon.js"`. What it promises stands at its beginning.
    """
    return static(path, _CLIENT_SCRIPT)


class StaticFiles:
    """Answers for one folder, or for `only` one file of it."""

    def __init__(self, server: Server, path: str, folder: Folder, *, only: str = "") -> None:
        self._server = server
        self._prefix = path.split("/")[1:]
        self._folder = folder
        self._only = Within((only,), slash=False) if only else None
        self._forms = Forms(LARGEST_KEPT_BYTES)
        self._headers: Headers = [*page_headers(), SHARED, (b"accept-ranges", b"bytes")]

    def find(self, request: Request) -> Awaitable[Answer] | None:
        """The answer when the path is one of this folder's, whether or not there is a file."""
        segments = split_path(request.path, self._server.settings.path_segments)
        if segments[: len(self._prefix)] != self._prefix:
            return None
        if self._only is not None:
            return self._respond(request, self._only, segments[-1]) if segments == self._prefix else None
        within = Within.read(segments[len(self._prefix) :])
        return None if within is None else self._respond(request, within, segments[-1])

    async def _respond(self, request: Request, within: Within, name: str) -> Answer:
        server = self._server
        file = await asyncio.to_thread(self._folder.look, within)
        if file is None:
            return await self._elsewhere(request)
        if request.method == "OPTIONS":
            return server.options(request, METHODS)
        request_id = server.request_id(request)
        if request.method not in METHODS:
            return server.refuse(request, method_not_allowed(METHODS), request_id)
        headers: Headers = [(REQUEST_ID, request_id.encode()), *self._headers]
        if file is Missing.SLASH:
            return server.finish(request, _with_slash(request, name, headers))
        try:
            return server.finish(request, await self._send(request, file, headers))
        except WireFault as fault:
            return server.refuse(request, fault, request_id)

    async def _elsewhere(self, request: Request) -> Answer:
        """What the next folder has, or the router's own 404, which names a path that is nearly this one."""
        server = self._server
        for other in server.fallbacks[server.fallbacks.index(self) + 1 :]:
            answer = other.find(request)
            if answer is not None:
                return await answer
        try:
            server.router.resource(request.path)
            raise not_found()
        except WireFault as fault:
            return server.refuse(request, fault, server.request_id(request))

    # One file

    async def _send(self, request: Request, file: FoundFile, headers: Headers) -> Answer:
        now = self._server.runtime.clock.now()
        # A time that lies ahead would be told as one (RFC 9110 §8.8.2.1).
        modified_at = min(file.modified_at, now) if file.modified_at is not None else None
        headers.append(VARY_CODING if _may_be_coded(file) else VARY)
        if modified_at is not None:
            headers.append((b"last-modified", http_date(modified_at).encode()))
        same = not_modified(
            if_none_match=request.header(b"if-none-match"),
            if_modified_since=request.header(b"if-modified-since"),
            current=file.tag,
            modified_at=modified_at,
            now=now,
        )
        if same is not None:
            return Response(304, [*headers, (b"etag", same.encode())])
        headers.append((b"content-type", file.type.encode()))
        asked = request.header(b"range") if request.method == "GET" else None
        if asked is None and (coded := await self._coded(request, file)) is not None:
            coding, body = coded
            tag = encoded_tag(str(file.tag), coding)
            return Response(200, [*headers, (b"content-encoding", coding.encode()), (b"etag", tag.encode())], body)
        headers.append((b"etag", str(file.tag).encode()))
        part = choose_range(
            asked,
            request.header(b"if-range"),
            size_bytes=file.size_bytes,
            current=file.tag,
            modified_at=modified_at,
            now=now,
        )
        if part is None:
            return FileResponse(200, headers, file.path, 0, file.size_bytes)
        headers.append((b"content-range", part.content_range(file.size_bytes).encode()))
        return FileResponse(206, headers, file.path, part.offset, part.count)

    async def _coded(self, request: Request, file: FoundFile) -> tuple[str, bytes] | None:
        """The file in a coding that the client takes, kept from the first time; None when it goes out as it is."""
        coding = self._server.coding.negotiate(request.header(b"accept-encoding")) if _may_be_coded(file) else None
        if coding is None:
            return None
        # The tag is a digest of the bytes, so whatever is kept under it can never be of another version.
        key = (file.tag.value, coding)
        body = self._forms.get(key)
        if body is None:
            body = await asyncio.to_thread(self._compress, file, coding)
            if body is None:
                return None
            self._forms.keep(key, body)
        return coding, body

    def _compress(self, file: FoundFile, coding: str) -> bytes | None:
        content = file.read()
        return None if content is None else self._server.coding.compress(content, coding)


class Forms:
    """Compressed forms of files, as many as fit into a number of bytes; the oldest makes room for the newest."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._held_bytes = 0

    def get(self, key: tuple[str, str]) -> bytes | None:
        """The form under this key, if it is still here."""
        return self._bodies.get(key)

    def keep(self, key: tuple[str, str], body: bytes) -> None:
        """Keep a form; under one key it is always the same."""
        if key in self._bodies:
            return
        self._bodies[key] = body
        self._held_bytes += len(body)
        while self._held_bytes > self._most_bytes:
            self._held_bytes -= len(self._bodies.pop(next(iter(self._bodies))))


def _may_be_coded(file: FoundFile) -> bool:
    return file.size_bytes <= LARGEST_COMPRESSED_BYTES and is_compressible(file.type, file.size_bytes)


def _with_slash(request: Request, name: str, headers: Headers) -> Answer:
    """To the same place with a slash. Relative, and begun with a dot, so that no name can lead to another host."""
    location = f"./{quote_segment(name)}/".encode() + (b"?" + request.query if request.query else b"")
    return Response(308, [*headers, VARY, (b"location", location)])
