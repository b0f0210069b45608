"""The header fields of one head, as bytes that are looked into only when somebody asks."""

from __future__ import annotations

from typing import Final, final

from antiphon.wire.faults import headers_too_large, malformed
from antiphon.wire.head import Field, Head, HeadBounds, join
from antiphon.wire.hosts import parse_host

CHUNKED: Final = -1
"""The length of a body that says itself where it ends."""

BESIDE_HEADER_BYTES: Final = 4
"""What a line of the head holds beside a header's name and value: a colon, a space, CR and LF."""

# The theory. llhttp has read these bytes before we do and refused whatever is no header: folded lines, a bare CR or LF,
# a space before the colon, control characters, a Content-Length that is repeated, signed or beside a
# Transfer-Encoding. So every line here is `name ":" value CRLF`, and looking for CRLF, name and colon finds exactly
# the headers of that name. Twelve headers read one by one cost more than the rest of a request; the seven that
# decide how a connection goes on are looked for at once, all others when somebody asks.
#
#     b"\r\nHost: a\r\nX-Y: z\r\n"        from the CRLF of the request line to the one of the last header
#
# A client sends the same headers again and again on one connection. While it does, its requests share this object.


@final
class Fields(Head):
    """The fields of one or more requests. Making one raises WireFault for framing that cannot be trusted (400, 431)."""

    __slots__ = (
        "_found",
        "_lower",
        "closes",
        "end",
        "end_size",
        "expects",
        "hosted",
        "keeps",
        "length",
        "plain",
        "raw",
    )

    def __init__(self, raw: bytes, bounds: HeadBounds) -> None:
        self.raw = raw
        # With the empty line behind it: what a head ends with.
        self.end = raw + b"\r\n"
        self.end_size = len(self.end)
        self._lower = raw.lower()
        self._found: dict[bytes, str | None] = {}
        self.notes = 0
        self._check(bounds)
        self.length = self._framing()
        self.closes = self.keeps = False
        connection = self.get(b"connection")
        if connection is not None:
            words = [word.strip(" \t") for word in connection.lower().split(",")]
            self.closes = "close" in words
            self.keeps = "keep-alive" in words
        self.expects = self.get(b"expect") is not None
        self.hosted = self._has_host()
        # What nearly all requests are. Proxy-Connection means nothing (RFC 9112 §C.2.2), but llhttp obeys it.
        self.plain = self.hosted and not self.length and self.get(b"proxy-connection") is None

    def _has_host(self) -> bool:
        hosts = self.values(b"host")
        if len(hosts) > 1:
            raise malformed("The request has more than one Host.", close=True)
        if hosts and parse_host(hosts[0]) is None:
            raise malformed("The Host is malformed.", close=True)
        return bool(hosts)

    def _check(self, bounds: HeadBounds) -> None:
        raw = self.raw
        if len(raw) > bounds.header_bytes + BESIDE_HEADER_BYTES * (bounds.header_count + 1):
            raise headers_too_large(f"The headers are longer than {bounds.header_bytes:,} bytes.")
        # What `raw` holds beside the headers only makes it look at some that are small enough.
        least = min(bounds.one_header_bytes, bounds.header_bytes, bounds.cookie_bytes)
        if raw.count(b"\r\n") > bounds.header_count + 1 or len(raw) > least:
            bounds.check_fields(self._all())

    def _framing(self) -> int:
        """The announced length of the body."""
        coding = self.values(b"transfer-encoding")
        if coding:
            if len(coding) > 1 or coding[0].lower() != "chunked":
                raise malformed("The Transfer-Encoding is not chunked alone.", close=True)
            return CHUNKED
        # llhttp has refused all but one row of digits.
        length = self.get(b"content-length")
        return 0 if length is None else int(length)

    def get(self, name: bytes) -> str | None:
        try:
            return self._found[name]
        except KeyError:
            found = self._found[name] = self._join(name)
            return found

    def _join(self, name: bytes) -> str | None:
        mark = b"\r\n" + name + b":"
        at = self._lower.find(mark)
        if at < 0:
            return None
        start = at + len(mark)
        end = self.raw.index(b"\r\n", start)
        if self._lower.find(mark, end) < 0:
            return self.raw[start:end].strip(b" \t").decode("latin-1")
        return join(name, self._values(mark))

    def values(self, name: bytes) -> list[str]:
        return [value.decode("latin-1") for value in self._values(b"\r\n" + name + b":")]

    def _values(self, mark: bytes) -> list[bytes]:
        found: list[bytes] = []
        at = self._lower.find(mark)
        while at >= 0:
            start = at + len(mark)
            at = self.raw.index(b"\r\n", start)
            found.append(self.raw[start:at].strip(b" \t"))
            at = self._lower.find(mark, at)
        return found

    def items(self) -> list[Field]:
        # A name with "_" cannot be told from one with "-" where headers become variables (RFC 3875 §4.1.18): a
        # client could pass for a proxy.
        return [field for field in self._all() if b"_" not in field[0]]

    def _all(self) -> list[Field]:
        fields: list[Field] = []
        for line in self.raw[2:-2].split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name:
                fields.append((name.lower(), value.strip(b" \t")))
        return fields

    def check(self, bounds: HeadBounds) -> None:
        pass
