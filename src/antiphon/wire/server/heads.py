"""Reads the heads of requests from bytes as they come, without I/O; what is no head, or too large, is a fault."""

from __future__ import annotations

import re
from typing import Final, final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from antiphon.wire.faults import headers_too_large, malformed, url_too_long
from antiphon.wire.head import HeadBounds
from antiphon.wire.server.fields import BESIDE_HEADER_BYTES, Fields
from antiphon.wire.server.target import METHODS, VERSIONS, read_method, read_target

# The theory. Two read each head:
#
#   llhttp    every byte as it arrives; it refuses what is no head, at once, and tells that a head is whole
#   we        the whole head: request line and the lines of the fields, as slices of the bytes
#
# llhttp alone could give us each header as it reads it, at a tenth of a microsecond apiece; most are never asked for.
# We alone would have to be as strict. So llhttp judges and we slice, and where both disagree about the place where
# the head ends, it is refused: no other server could be surer. llhttp never sees a body. A head that announces one
# leaves it waiting, so the next head is given a new parser, which costs less than feeding it the body.
#
# A client sends the same fields again and again on one connection. What llhttp and we have said of them under one
# request line holds under any other that is as plain, so of a head that differs in nothing else only that line is read.
#
#   held        reads                        until
#   nothing     line ends before the head    the first byte of a request line (RFC 9112 §2.2)
#   a part      bytes                        CRLF CRLF; bounds are held on the way: 414, 431

_CRLF: Final = b"\r\n"
_END: Final = b"\r\n\r\n"
_PLAIN_LINE: Final = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE) (/[!\"$->@-~]*)\??([!\"$-~]*) HTTP/1\.1")
"""A request line in which nothing can be wrong but its length: method, path and query."""

_BESIDE_TARGET_BYTES: Final = 32
"""What a request line holds beside its target: a method, a version, two spaces, and some grace."""


@final
class HeadReader:
    """Reads one head after the other. After `read` said so, the parts of the head stand here until it is called again.

    `rest` is what followed the head.
    """

    __slots__ = (
        "_bounds",
        "_complete",
        "_held",
        "_last",
        "_parser",
        "fields",
        "method",
        "path",
        "query",
        "rest",
        "version",
    )

    method: str
    path: bytes
    query: bytes
    version: str
    fields: Fields

    def __init__(self, bounds: HeadBounds) -> None:
        self._bounds = bounds
        self._parser: HttpRequestParser | None = None
        self._complete = False
        self._last: Fields | None = None
        self._held: bytearray | None = None
        self.rest = b""

    @property
    def begun(self) -> bool:
        """Whether a part of a head is held; half of a line end before it is none."""
        held = self._held
        return held is not None and (len(held) > 1 or held[0] != 13)

    def read(self, data: bytes) -> bool:
        """Read on; whether a head is whole now. Raises WireFault, after which nothing more can be read here."""
        if self._held is not None:
            return self._read_on(data)
        known = self._last
        if known is not None:
            line = _PLAIN_LINE.match(data)
            if line is not None and (at := line.end()) <= self._bounds.url_bytes and data.startswith(known.end, at):
                method, self.path, self.query = line.groups()
                self.method, self.version, self.fields = METHODS[method], "1.1", known
                self.rest = data[at + known.end_size :]
                return True
        end = data.find(_END)
        if end <= 0 or data[0] <= 13:
            return self._begin(data)
        size = end + 4
        if size == len(data):
            head, self.rest = data, b""
        else:
            head, self.rest = data[:size], data[size:]
        self._judge(head)
        self._slice(head)
        return True

    # A head in pieces

    def _begin(self, data: bytes) -> bool:
        """Drop the line ends that some clients send after a body, then begin to hold."""
        at = 0
        while data.startswith(_CRLF, at):
            at += 2
        # Cut once: a client may send nothing but line ends.
        data = data[at:]
        if not data:
            return False
        if data != b"\r":
            # llhttp would skip a bare CR or LF here; a method begins with neither.
            if data[0] <= 13:
                raise malformed("The request cannot be read.", close=True)
            if _END in data:
                return self.read(data)
            self._judge_part(data)
        self._held = bytearray(data)
        self._check_size(self._held)
        return False

    def _read_on(self, data: bytes) -> bool:
        held = self._held
        if held is None:
            raise RuntimeError("Nothing is held.")
        if len(held) == 1 and held[0] == 13:
            # The beginning of a line end before the head, or of nothing that is known.
            self._held = None
            if data[:1] != b"\n":
                raise malformed("The request cannot be read.", close=True)
            return self.read(data[1:]) if len(data) > 1 else False
        known = len(held)
        held += data
        end = held.find(_END, max(0, known - 3))
        if end < 0:
            self._judge_part(data)
            self._check_size(held)
            return False
        size = end + 4
        self._held = None
        self._judge(data[: size - known])
        self.rest = data[size - known :]
        self._slice(bytes(held[:size]))
        return True

    def _check_size(self, held: bytearray) -> None:
        """Refuse what is too large to become a head, before more of it is held."""
        bounds = self._bounds
        line = held.find(_CRLF)
        if line < 0:
            if len(held) > bounds.url_bytes + _BESIDE_TARGET_BYTES:
                raise url_too_long(bounds.url_bytes)
            return
        # All but the last CR, which may be the first half of the end.
        if len(held) - line - 1 > bounds.header_bytes + BESIDE_HEADER_BYTES * (bounds.header_count + 1):
            raise headers_too_large(f"The headers are longer than {bounds.header_bytes:,} bytes.")
        if held.count(_CRLF) > bounds.header_count + 2:
            raise headers_too_large(f"There are more than {bounds.header_count} headers.")

    # The two readers

    def _judge(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:
            parser = self._parser = HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade:
            # It would read nothing more, because another protocol might follow. Whether one does is not its to say.
            self._parser = None
        except HttpParserError:
            # Without the parser's own words: they say what it is, and the request's bytes may be in them.
            self._parser = None
            raise malformed("The request cannot be read.", close=True) from None

    def _judge_part(self, data: bytes) -> None:
        self._judge(data)
        if self._complete:
            raise malformed("The request cannot be read.", close=True)

    def on_headers_complete(self) -> None:
        """What llhttp calls at the end of a head."""
        self._complete = True

    def _slice(self, head: bytes) -> None:
        if not self._complete:
            raise malformed("The request cannot be read.", close=True)
        self._complete = False
        bounds = self._bounds
        line = head.find(_CRLF)
        parts = head[:line].split(b" ")
        if len(parts) != 3:
            raise malformed("The request line cannot be read.", close=True)
        method, target, version = parts
        if version not in VERSIONS:
            raise malformed("The protocol is neither HTTP/1.1 nor HTTP/1.0.", close=True)
        if len(target) > bounds.url_bytes:
            raise url_too_long(bounds.url_bytes)
        self.version = VERSIONS[version]
        self.method = METHODS.get(method) or read_method(method)
        raw = head[line:-2]
        fields = self._last
        self._last = None
        self.fields = fields = Fields(raw, bounds)
        if not fields.plain:
            self._look_closer(fields, version)
        if target[0] != 47:
            target = read_target(method, target, fields.get(b"host"))
        if target.find(b"#") >= 0:
            raise malformed("The target holds a fragment.", close=True)
        self.path, _, self.query = target.partition(b"?")
        if version == b"HTTP/1.1":
            self._last = fields

    def _look_closer(self, fields: Fields, version: bytes) -> None:
        """Refuse what only the version decides, and begin anew with llhttp where it would not read the next head."""
        if not fields.hosted and version == b"HTTP/1.1":
            raise malformed("The request has no Host.", close=True)
        if fields.length < 0 and version == b"HTTP/1.0":
            raise malformed("HTTP/1.0 has no Transfer-Encoding.", close=True)
        self._parser = None

    def close(self) -> None:
        """Let go of the parser, which knows this reader and would keep both alive."""
        self._parser = None
        self._held = None
