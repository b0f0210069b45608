"""Good requests made up by hypothesis, each with what is to be read from it; and a reader of them without a socket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import strategies as st

from antiphon.wire.head import HeadBounds
from antiphon.wire.server.chunked import ChunkedBody
from antiphon.wire.server.fields import CHUNKED
from antiphon.wire.server.heads import HeadReader

TOKEN = "!#$%&'*+-.^`|~0123456789ABCXYZabcxyz"
OURS = frozenset(("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade", "proxy-connection"))


@dataclass(frozen=True)
class Read:
    """A request as it was read, or is to be."""

    method: str
    path: bytes
    query: bytes
    version: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Good:
    """The bytes of a request, and what is to be read from them."""

    data: bytes
    read: Read


names = st.text(TOKEN, min_size=1, max_size=12).filter(lambda name: name.lower() not in OURS)
values = st.binary(max_size=20).map(lambda raw: bytes(byte for byte in raw if 32 <= byte != 127).strip(b" \t"))
blanks = st.text(" \t", max_size=3).map(str.encode)
paths = st.lists(st.text("abcXYZ019-._~%2F!$&'()*+,;=:@", max_size=6), max_size=4).map(
    lambda parts: ("/" + "/".join(parts)).encode()
)
queries = st.text("ab=&+%20/?[]{}|", max_size=10).map(str.encode)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "PROPFIND", "REPORT"])


@st.composite
def cased(draw: st.DrawFn, name: bytes) -> bytes:
    """A name in any case."""
    upper = draw(st.lists(st.booleans(), min_size=len(name), max_size=len(name)))
    return b"".join(name[at : at + 1].upper() if high else name[at : at + 1].lower() for at, high in enumerate(upper))


@st.composite
def chunked(draw: st.DrawFn, body: bytes) -> bytes:
    """A body in chunks of any sizes, with extensions and trailers, all of them legal."""
    pieces: list[bytes] = []
    while body:
        size = draw(st.integers(1, len(body)))
        extension = draw(st.sampled_from([b"", b";", b";a", b";a=b", b'; a="b;c\\""', b";" + b"x" * 255]))
        digits = b"%0*x" % (draw(st.integers(1, 16)), size)
        pieces += [digits.upper() if draw(st.booleans()) else digits, extension, b"\r\n", body[:size], b"\r\n"]
        body = body[size:]
    trailers = draw(st.lists(st.tuples(names, blanks, values), max_size=2))
    pieces.append(draw(st.sampled_from([b"0", b"000", b"0;last"])) + b"\r\n")
    pieces += [name.encode() + b":" + blank + value + b"\r\n" for name, blank, value in trailers]
    return b"".join(pieces) + b"\r\n"


@st.composite
def requests(draw: st.DrawFn, *, keeping: bool = True) -> Good:
    """One request that leaves the connection open."""
    version = draw(st.sampled_from(["1.1", "1.1", "1.0"]))
    method, path, query = draw(methods), draw(paths), draw(queries)
    fields: list[tuple[bytes, bytes]] = [(b"Host", b"a.example:80")]
    fields += [(name.encode(), value) for name, value in draw(st.lists(st.tuples(names, values), max_size=5))]
    if version == "1.0":
        fields.append((b"Connection", b"keep-alive"))
    body = draw(st.binary(max_size=60))
    framing = draw(st.sampled_from(["none", "length", "chunked"]))
    sent = b""
    if framing == "length":
        sent = body
        fields.append((b"Content-Length", b"%0*d" % (draw(st.integers(1, 6)), len(body))))
    elif framing == "chunked" and version == "1.1":
        sent = draw(chunked(body))
        fields.append((b"Transfer-Encoding", draw(cased(b"chunked"))))
    else:
        body = b""
    fields = draw(st.permutations(fields))
    lines: list[bytes] = []
    for name, value in fields:
        # llhttp takes no blanks behind a coding, and need not.
        behind = b"" if name == b"Transfer-Encoding" else draw(blanks)
        lines.append(draw(cased(name)) + b":" + draw(blanks) + value + behind + b"\r\n")
    before = b"\r\n" * draw(st.integers(0, 2))
    target = path + (b"?" + query if query else b"")
    head = before + b" ".join([method.encode(), target, b"HTTP/" + version.encode()]) + b"\r\n" + b"".join(lines)
    headers = tuple((name.lower(), value) for name, value in fields)
    return Good(head + b"\r\n" + sent, Read(method, path, query, version, headers, body))


def read_all(
    segments: Iterable[bytes], bounds: HeadBounds | None = None, found: list[Read] | None = None
) -> list[Read]:
    """Every request of these segments, as a connection reads them; `found` has those before a WireFault as well."""
    found = [] if found is None else found
    reader = HeadReader(bounds or HeadBounds())
    body: _Body | None = None
    for segment in segments:
        data = segment
        while data:
            if body is None:
                if not reader.read(data):
                    break
                body, data = _Body(reader), reader.rest
            data = body.feed(data)
            if body.is_whole:
                found.append(body.read)
                body = None
    return found


class _Body:
    """A head that was read, and what has come of its body."""

    def __init__(self, reader: HeadReader) -> None:
        fields = reader.fields
        self._head = (reader.method, reader.path, reader.query, reader.version, tuple(fields.items()))
        self._pieces: list[bytes] = []
        self._chunks = ChunkedBody() if fields.length == CHUNKED else None
        self._left = fields.length

    def feed(self, data: bytes) -> bytes:
        """Take what belongs to it."""
        if self._chunks is not None:
            return self._chunks.feed(data, self._pieces)
        piece, rest = data[: self._left], data[self._left :]
        self._pieces.append(piece)
        self._left -= len(piece)
        return rest

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is still to come."""
        return self._chunks.ended if self._chunks is not None else not self._left

    @property
    def read(self) -> Read:
        """The whole request."""
        method, path, query, version, headers = self._head
        return Read(method, path, query, version, headers, b"".join(self._pieces))
