"""Any bytes at all: nothing but a fault ever leaves the reader, and what it takes is what llhttp takes."""

from __future__ import annotations

from httptools import HttpParserUpgrade, HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.wire.faults import WireFault
from antiphon.wire.head import HeadBounds
from antiphon.wire.server.chunked import ChunkedBody
from antiphon.wire.server.heads import HeadReader
from tests.wire.server.good import Read, read_all, requests
from tests.wire.server.hostile import BODIES, BOUNDS, CODINGS, LENGTHS
from tests.wire.server.hostile_heads import FIELDS, HOSTS, LINES, TOO_LARGE
from tests.wire.server.talking import bytewise, cut

places = st.lists(st.integers(0, 100_000), max_size=8)
ROWS = [row.data for row in [*BODIES, *CODINGS, *LENGTHS, *FIELDS, *HOSTS, *LINES, *TOO_LARGE] if len(row.data) < 1000]
WORDS = [
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"0", b"-", b"+", b"_", b"#", b"\xff"),
    *(b"chunked", b"Transfer-Encoding: ", b"Content-Length: ", b"Host: ", b"Connection: close\r\n", b"HTTP/1.0"),
    *(b"Connection: upgrade\r\n", b"Upgrade: x\r\n", b"CONNECT", b"http://", b"0\r\n\r\n", b"5\r\nabcde\r\n"),
]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Good and hostile requests behind each other, with bytes put in, taken out, exchanged, doubled and moved."""
    source = st.one_of(requests().map(lambda good: good.data), st.sampled_from(ROWS))
    data = b"".join(draw(st.lists(source, min_size=1, max_size=3)))
    for _ in range(draw(st.integers(0, 5))):
        start, end = sorted(draw(st.tuples(st.integers(0, len(data)), st.integers(0, len(data)))))
        end = min(end, start + 20)
        match draw(st.sampled_from(["insert", "delete", "replace", "double", "move"])):
            case "insert":
                data = data[:start] + draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=3))) + data[start:]
            case "delete":
                data = data[:start] + data[end:]
            case "replace":
                data = data[:start] + draw(st.sampled_from(WORDS)) + data[start + 1 :]
            case "double":
                data = data[:end] + data[start:]
            case _:
                data = data[:start] + data[end:] + data[start:end]
    return data


def outcome(segments: list[bytes], bounds: HeadBounds | None = None) -> tuple[list[Read], bool | None]:
    """What was read before a fault, and whether that closes the connection; None when there was none."""
    found: list[Read] = []
    try:
        read_all(segments, bounds, found)
    except WireFault as fault:
        return found, fault.close
    return found, None


@settings(max_examples=400, deadline=None)
@given(mutants(), places)
def test_any_bytes_are_read_or_refused_however_they_are_cut(data: bytes, at: list[int]) -> None:
    """Nothing but a fault leaves the reader; cut anywhere, the same requests are read before the same end."""
    whole = outcome([data])

    assert whole[1] is not False
    assert outcome(cut(data, at)) == whole
    assert outcome(bytewise(data)) == whole


@given(mutants(), places)
def test_any_bytes_meet_the_same_bounds_however_they_are_cut(data: bytes, at: list[int]) -> None:
    """What is too large is so in one piece and in many."""
    assert outcome(cut(data, at), BOUNDS) == outcome([data], BOUNDS)


LINE_ROWS = [row.data.partition(b"\r\n")[0] for row in LINES if b"\r\n" in row.data]
lines = st.one_of(
    st.sampled_from(LINE_ROWS),
    requests().map(lambda good: good.data.partition(b"\r\n")[0]),
    st.tuples(
        st.sampled_from([b"GET", b"PUT", b"TRACE", b"CONNECT", b"get", b"A"]),
        st.sampled_from([b" ", b"  ", b"\t"]),
        st.one_of(
            st.binary(max_size=6).map(lambda raw: b"/" + raw), st.sampled_from([b"*", b"http://a/b", b"/?", b"/??"])
        ),
        st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/1.2", b"", b" HTTP/1.1 "]),
    ).map(b"".join),
)
ENDS = [
    b"\r\nHost: a\r\n\r\n",
    b"\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
    b"\r\nX: y\r\nHost: a\r\nExpect: x\r\n\r\n",
]


def read_one(reader: HeadReader, head: bytes) -> tuple[object, ...] | str:
    """What is read of one head, or how it is refused."""
    try:
        whole = reader.read(head)
    except WireFault as fault:
        return f"{fault.type} {fault.message}"
    return (whole, reader.method, reader.path, reader.query, reader.version, reader.rest, reader.fields.raw)


@settings(max_examples=400)
@given(lines, st.sampled_from(ENDS))
def test_known_fields_make_no_line_good(line: bytes, end: bytes) -> None:
    """Whatever request line stands before fields that were read before, it is read as it is without."""
    fresh, knowing = HeadReader(HeadBounds()), HeadReader(HeadBounds())
    assert knowing.read(b"PUT /a HTTP/1.1" + end)

    assert read_one(knowing, line + end) == read_one(fresh, line + end)


def test_known_fields_need_a_host_under_every_version() -> None:
    """What HTTP/1.0 may leave out is asked for again by HTTP/1.1; and a target that is too long stays so."""
    reader = HeadReader(HeadBounds(url_bytes=20))
    assert reader.read(b"GET /a HTTP/1.0\r\nX: y\r\n\r\n")
    assert read_one(reader, b"GET /a HTTP/1.1\r\nX: y\r\n\r\n") == "MALFORMED The request has no Host."

    reader = HeadReader(HeadBounds(url_bytes=20))
    assert reader.read(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")
    assert reader.read(b"GET /" + b"a" * 19 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert str(read_one(reader, b"GET /" + b"a" * 20 + b" HTTP/1.1\r\nHost: a\r\n\r\n")).startswith("URL_TOO_LONG")


@settings(max_examples=200)
@given(st.binary(max_size=200), places)
def test_a_chunked_body_of_any_bytes_is_read_or_refused(data: bytes, at: list[int]) -> None:
    """The same for the reader of chunks alone."""

    def read(segments: list[bytes]) -> tuple[bytes, bytes | None]:
        body, pieces, rest = ChunkedBody(), list[bytes](), b""
        try:
            for segment in segments:
                rest += segment if body.ended else body.feed(segment, pieces)
        except WireFault:
            return b"".join(pieces), None
        return b"".join(pieces), rest

    assert read(cut(data, at)) == read([data])


class Judge:
    """What llhttp itself reads of a head, callback by callback."""

    def __init__(self, head: bytes) -> None:
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = 0
        parser = HttpRequestParser(self)
        try:
            parser.feed_data(head)
        except HttpParserUpgrade:
            pass
        self.method = parser.get_method().decode()
        self.version = parser.get_http_version()

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self.headers.append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        """The end of the head."""
        self.complete += 1

    @property
    def length(self) -> int:
        """How long the body is; -1 for one in chunks."""
        if any(name == b"transfer-encoding" for name, _ in self.headers):
            return -1
        return next((int(value) for name, value in self.headers if name == b"content-length"), 0)


@settings(max_examples=300)
@given(mutants())
def test_what_we_read_of_a_head_is_what_llhttp_reads(data: bytes) -> None:
    """Wherever a head is taken, both agree on method, target, version, every header, and the length of the body."""
    reader = HeadReader(HeadBounds())
    try:
        if not reader.read(data):
            return
    except WireFault:
        return
    head = data[: len(data) - len(reader.rest)].lstrip(b"\r\n")

    judge = Judge(head)

    path, _, query = judge.target.partition(b"?")
    assert judge.complete == 1
    assert (reader.method, reader.version, reader.fields.length) == (judge.method, judge.version, judge.length)
    assert reader.fields.items() == [field for field in judge.headers if b"_" not in field[0]]
    if path.startswith(b"/"):
        assert (reader.path, reader.query) == (path, query)
    for name in {name for name, _ in judge.headers if b"_" not in name}:
        assert reader.fields.values(name) == [value.decode("latin-1") for key, value in judge.headers if key == name]
        assert reader.fields.get(name) is not None


def test_every_byte_is_judged_alike_in_each_place_of_a_head() -> None:
    """No control byte, and no byte over 127 but in a value, is taken anywhere; and both readers see the same."""
    for byte in range(256):
        odd = bytes((byte,))
        for place in (b"GET /a%sb HTTP/1.1", b"GET /?a%sb HTTP/1.1", b"X%sY: a", b"X: a%sb", b"Connection: a%sb"):
            line = place.replace(b"%s", odd)
            first, second = (line, b"X: a") if b"HTTP" in place else (b"GET / HTTP/1.1", line)
            data = first + b"\r\nHost: a\r\n" + second + b"\r\n\r\n"
            reads, closes = outcome([data])
            allowed = byte == 9 or byte > 127 if place.endswith(b": a%sb") else False
            if byte < 32 or byte >= 127:
                assert closes is (None if allowed else True), (byte, place)
            assert outcome(bytewise(data)) == (reads, closes)


def test_pairs_of_line_ends_and_blanks_never_end_a_head_early() -> None:
    """Of all short rows of CR, LF, blank, tab, colon and a letter, behind any line, only CRLF CRLF ends a head."""
    alphabet = [b"\r", b"\n", b" ", b"\t", b":", b"x"]
    rows = [b""]
    for _ in range(4):
        rows = [row + each for row in rows for each in alphabet]
    for row in rows:
        for before in (b"GET / HTTP/1.1\r\nHost: a", b"GET / HTTP/1.1\r\nHost: a\r\n", b""):
            data = before + row + b"\r\n\r\n"
            assert outcome([data]) == outcome(bytewise(data)), data
