"""Forms with files (RFC 7578): fields into memory, files onto disk as they arrive, and nothing left behind."""

from __future__ import annotations

import re
import shutil
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
from multipart import (  # pyright: ignore[reportMissingTypeStubs]  # typed inline, but without a py.typed mark
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from antiphon.wire.faults import malformed, too_large
from antiphon.wire.grammar import split_outside_quotes
from antiphon.wire.media import parse_media_type
from antiphon.wire.percent import BadEncoding, percent_decode
from antiphon.wire.uploads import PIECE_BYTES, ArrivingFile, UploadedFile, to_its_end

# The theory. The push parser of the `multipart` package finds the parts; it does no I/O and bounds what it holds.
# Here stand the bounds, the disk and the clean-up. Every touch of the disk is a hop to a thread, so the
# pieces are gathered first: a small file costs one hop in all, a large one a hop for each PIECE_BYTES.
#
# | state of a part | an event of the parser      | what happens                                              |
# |-----------------|-----------------------------|-----------------------------------------------------------|
# | none            | a segment                   | its headers are checked; a field or a file is begun       |
# | field           | bytes                       | kept, up to field_bytes                                   |
# | file            | bytes                       | gathered, up to file_bytes; written by the piece          |
# | field, file     | None (its end)              | decoded as UTF-8; or the rest written, hashed and closed  |
# | any             | a fault, a cancelled caller | the hop under way ends, then the folder is removed        |

# RFC 2046 §5.1.1.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_READABLE_CHARSETS = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))
_PLAIN_ENCODINGS = frozenset(("7bit", "8bit", "binary"))
# Marks that turn the direction of text, so that "gpj.exe" reads as "exe.jpg"; and the separators of lines.
_UNSHOWN = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
_LONGEST_NAME_BYTES = 255
_ENDING = re.compile(r"(?<=.)\.[A-Za-z0-9]{1,16}$")


class MultipartLimits(msgspec.Struct, frozen=True):
    """How much of a form is taken; over any of these the answer is 413."""

    parts: int = 100
    field_bytes: int = 64 * 1024
    header_bytes: int = 8 * 1024
    file_bytes: int = 10 * 1024 * 1024


class MultipartForm:
    """The fields and files of a form, by name and in order. Close it when the call is over: its files go then."""

    __slots__ = ("_folder", "fields", "files")

    def __init__(
        self, fields: dict[str, list[str]], files: dict[str, list[UploadedFile]], folder: Path | None = None
    ) -> None:
        self.fields = fields
        self.files = files
        self._folder = folder

    async def close(self) -> None:
        """Remove every file that is still where it was put. May be called again."""
        folder, self._folder = self._folder, None
        if folder is not None:
            await to_its_end(lambda: shutil.rmtree(folder))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


async def read_multipart(
    content_type: str, chunks: AsyncIterator[bytes], folder: Path, limits: MultipartLimits | None = None
) -> MultipartForm:
    """The form in `chunks`, its files in a new folder inside `folder`.

    `content_type` is the request's, with the boundary. Missing or bad boundaries, truncated bodies, bad part headers
    and text that is not UTF-8 are malformed (400); what is over `limits` is too large (413). However this ends
    other than with a form, also when it is cancelled, every file is removed first. A full disk is an OSError.
    """
    reading = _Reading(_read_boundary(content_type), folder, limits or MultipartLimits())
    try:
        async for chunk in chunks:
            await reading.feed(chunk)
        return reading.finish()
    except BaseException:
        await reading.discard()
        raise


def shown_name(name: str) -> str:
    """A client's file name made fit to show and to save under; never empty.

    The last part of a path with either slash, without controls and marks of direction, at most 255 bytes of UTF-8.
    """
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(character for character in name if unicodedata.category(character) not in ("Cc", "Cs"))
    name = _UNSHOWN.sub("", name).strip()
    # What a long name ends with says what the file is, so the cut is made before it.
    end = _ENDING.search(name)
    ending = end[0] if end is not None else ""
    room = _LONGEST_NAME_BYTES - len(ending)
    name = name.removesuffix(ending).encode()[:room].decode(errors="ignore").rstrip() + ending
    return "file" if name in ("", ".", "..") else name


def _read_boundary(content_type: str) -> str:
    media = parse_media_type(content_type)
    boundary = media.parameters.get("boundary", "") if media is not None else ""
    if not _BOUNDARY.fullmatch(boundary):
        raise malformed("The form has no boundary, or one that is not 1 to 70 plain characters.")
    return boundary


class _Field:
    """A text field while it arrives."""

    __slots__ = ("_pieces", "_size_bytes", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._pieces: list[bytes] = []
        self._size_bytes = 0

    def add(self, piece: bytes, limit_bytes: int) -> None:
        self._size_bytes += len(piece)
        if self._size_bytes > limit_bytes:
            raise too_large(message=f"A field of the form is larger than {limit_bytes} bytes.")
        self._pieces.append(piece)

    def finish(self) -> str:
        try:
            return b"".join(self._pieces).decode()
        except UnicodeDecodeError:
            raise malformed("A field of the form is not UTF-8.") from None


class _Reading:
    """One form while it arrives."""

    def __init__(self, boundary: str, parent: Path, limits: MultipartLimits) -> None:
        self._limits = limits
        self._parent = parent
        self._folder: Path | None = None
        self._fields: dict[str, list[str]] = {}
        self._files: dict[str, list[UploadedFile]] = {}
        self._part: _Field | ArrivingFile | None = None
        self._count = 0
        self._start: bytes | None = b""
        self._delimiter = b"--" + boundary.encode()
        self._parser = PushMultipartParser(
            boundary, max_header_size=limits.header_bytes, max_segment_count=limits.parts
        )

    async def feed(self, chunk: bytes) -> None:
        if self._start is not None:
            chunk = self._check_start(self._start + chunk)
        if not chunk:
            return
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    await self._end_part()
                elif isinstance(event, MultipartSegment):
                    self._begin_part(event)
                else:
                    await self._add(bytes(event))
        except ParserLimitReached:
            raise too_large(
                message="The form has too many parts, or a part has too many or too long headers."
            ) from None
        except MultipartError:
            raise malformed("The form is not readable as multipart/form-data.") from None

    def finish(self) -> MultipartForm:
        try:
            self._parser.close()
        except MultipartError:
            raise malformed("The form ends before its last boundary.") from None
        return MultipartForm(self._fields, self._files, self._folder)

    async def discard(self) -> None:
        part, folder = self._part, self._folder
        if folder is None:
            return

        def remove() -> None:
            # What went wrong before is what has to be told.
            with suppress(OSError):
                if isinstance(part, ArrivingFile):
                    part.close()
                shutil.rmtree(folder)

        await to_its_end(remove)

    def _check_start(self, start: bytes) -> bytes:
        # The parser passes over whatever precedes the first boundary, more or less of it depending on how the body was
        # cut into chunks. No client of forms sends anything there, so nothing but an empty line is allowed.
        if len(start) < len(self._delimiter) + 2:
            self._start = start
            return b""
        self._start = None
        if not start.removeprefix(b"\r\n").startswith(self._delimiter):
            raise malformed("The form does not begin with its boundary.")
        return start

    def _begin_part(self, segment: MultipartSegment) -> None:
        headers = segment.headerlist
        if sum(len(name) + len(value.encode()) for name, value in headers) > self._limits.header_bytes:
            raise too_large(message=f"A part's headers are larger than {self._limits.header_bytes} bytes.")
        dispositions = [value for name, value in headers if name == "Content-Disposition"]
        if len(dispositions) != 1 or not segment.name:
            raise malformed("A part of the form has no name, or two.")
        for name, value in headers:
            if name == "Content-Transfer-Encoding" and value.strip().lower() not in _PLAIN_ENCODINGS:
                raise malformed("A part of the form has a Content-Transfer-Encoding; send its bytes as they are.")
        file_name = _read_extended_name(dispositions[0])
        if file_name is None:
            file_name = segment.filename
        if file_name is not None:
            self._part = ArrivingFile(segment.name, file_name, segment.content_type or "application/octet-stream")
        elif segment.charset is None or segment.charset.lower() in _READABLE_CHARSETS:
            self._part = _Field(segment.name)
        else:
            raise malformed("A field of the form is not UTF-8.")

    async def _add(self, piece: bytes) -> None:
        part = self._part
        if isinstance(part, _Field):
            part.add(piece, self._limits.field_bytes)
        elif part is not None:
            part.add(piece, self._limits.file_bytes)
            if part.waiting_bytes >= PIECE_BYTES:
                await to_its_end(lambda: part.write(self._path()))

    async def _end_part(self) -> None:
        part = self._part
        if isinstance(part, _Field):
            self._fields.setdefault(part.name, []).append(part.finish())
        # A browser sends a file input that was left empty as a file without a name and without bytes.
        elif part is not None and (part.file_name or part.size_bytes):
            file = await to_its_end(lambda: part.finish(self._path()))
            self._files.setdefault(part.name, []).append(file)
            self._count += 1
        # Last, so that whatever goes wrong above finds the open file.
        self._part = None

    def _path(self) -> Path:
        # Runs in the thread, and makes the folder there when the first file needs it.
        if self._folder is None:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="upload-", dir=self._parent))
        return self._folder / str(self._count)


def _read_extended_name(disposition: str) -> str | None:
    """The `filename*` of a Content-Disposition (RFC 8187), or None without a readable one."""
    for piece in split_outside_quotes(disposition, ";")[1:]:
        name, _, value = piece.partition("=")
        if name.strip().lower() == "filename*":
            charset, _, rest = value.strip().partition("'")
            encoded = rest.partition("'")[2]
            if charset.lower() == "utf-8" and encoded:
                with suppress(BadEncoding):
                    return percent_decode(encoded.encode())
    return None
