"""Bytes that are no request, or that two servers could read differently: one row for each, with what is answered."""

from __future__ import annotations

from typing import NamedTuple

from antiphon.wire.head import HeadBounds

# Every row is refused, and after it no byte is read as a request: `test_hostile` sends a good one behind each.

BOUNDS = HeadBounds(url_bytes=64, header_bytes=256, one_header_bytes=128, header_count=8)
"""Small, so that what is too large can be sent byte by byte."""

LINE = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
END = b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
EMPTY = b"0\r\n\r\n"


class Row(NamedTuple):
    """Bytes, by a name, and the status of the refusal."""

    name: str
    data: bytes
    status: int = 400


def line(name: str, data: bytes, status: int = 400) -> Row:
    """A request line."""
    return Row(name, data + END + HOST + END, status)


def fields(name: str, data: bytes, status: int = 400) -> Row:
    """Header lines beside a good Host."""
    return Row(name, LINE + HOST + data + END, status)


def framed(name: str, data: bytes, body: bytes = b"abcde") -> Row:
    """Header lines that say where a body ends."""
    return Row(name, b"POST /body HTTP/1.1\r\n" + HOST + data + END + body)


def chunks(name: str, body: bytes) -> Row:
    """A chunked body."""
    return framed(name, CHUNKED, body)


def host(name: str, data: bytes, target: bytes = b"/") -> Row:
    """The host of a request, in its headers and its target."""
    return Row(name, b"GET " + target + b" HTTP/1.1\r\n" + data + END)


LENGTHS = [
    framed("length-with-chunked", b"Content-Length: 5\r\n" + CHUNKED, EMPTY),
    framed("chunked-with-length", CHUNKED + b"Content-Length: 5\r\n", EMPTY),
    framed("chunked-with-length-0", CHUNKED + b"Content-Length: 0\r\n", EMPTY),
    framed("lengths-differ", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
    framed("lengths-equal", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    framed("lengths-in-another-case", b"Content-Length: 5\r\ncontent-length: 5\r\n"),
    framed("length-list", b"Content-Length: 5, 5\r\n"),
    framed("length-plus", b"Content-Length: +5\r\n"),
    framed("length-minus", b"Content-Length: -5\r\n"),
    framed("length-hex", b"Content-Length: 0x5\r\n"),
    framed("length-octal", b"Content-Length: 0o5\r\n"),
    framed("length-point", b"Content-Length: 5.0\r\n"),
    framed("length-exponent", b"Content-Length: 5e0\r\n"),
    framed("length-underscore", b"Content-Length: 1_0\r\n"),
    framed("length-quoted", b'Content-Length: "5"\r\n'),
    framed("length-empty", b"Content-Length:\r\n"),
    framed("length-blank", b"Content-Length:  \r\n"),
    framed("length-spaced", b"Content-Length: 1 0\r\n"),
    framed("length-over-64-bits", b"Content-Length: 18446744073709551616\r\n"),
    framed("length-huge", b"Content-Length: " + b"9" * 100 + b"\r\n"),
    framed("length-of-other-digits", b"Content-Length: \xef\xbc\x95\r\n"),
    framed("length-word", b"Content-Length: five\r\n"),
    framed("length-space-before-colon", b"Content-Length : 5\r\n"),
    framed("length-tab-before-colon", b"Content-Length\t: 5\r\n"),
    framed("length-folded", b"Content-Length:\r\n 5\r\n"),
    framed("length-behind-bare-cr", b"X: a\rContent-Length: 5\r\n"),
    framed("length-behind-bare-lf", b"X: a\nContent-Length: 5\r\n"),
    framed("length-control", b"Content-Length: \x0b5\r\n"),
]

CODINGS = [
    framed("coding-identity", b"Transfer-Encoding: identity\r\n"),
    framed("coding-empty", b"Transfer-Encoding:\r\n", EMPTY),
    framed("coding-gzip", b"Transfer-Encoding: gzip\r\n", EMPTY),
    framed("coding-gzip-chunked", b"Transfer-Encoding: gzip, chunked\r\n", EMPTY),
    framed("coding-chunked-gzip", b"Transfer-Encoding: chunked, gzip\r\n", EMPTY),
    framed("coding-chunked-identity", b"Transfer-Encoding: chunked, identity\r\n", EMPTY),
    framed("coding-twice-in-one", b"Transfer-Encoding: chunked, chunked\r\n", EMPTY),
    framed("coding-twice", CHUNKED + CHUNKED, EMPTY),
    framed("coding-split-in-two", b"Transfer-Encoding: gzip\r\n" + CHUNKED, EMPTY),
    framed("coding-chunked-then-other", CHUNKED + b"Transfer-Encoding: x\r\n", EMPTY),
    framed("coding-comma-before", b"Transfer-Encoding: ,chunked\r\n", EMPTY),
    framed("coding-comma-behind", b"Transfer-Encoding: chunked,\r\n", EMPTY),
    framed("coding-parameter", b"Transfer-Encoding: chunked;q=1\r\n", EMPTY),
    framed("coding-quoted", b'Transfer-Encoding: "chunked"\r\n', EMPTY),
    framed("coding-longer", b"Transfer-Encoding: xchunked\r\n", EMPTY),
    framed("coding-longer-behind", b"Transfer-Encoding: chunkedx\r\n", EMPTY),
    framed("coding-shorter", b"Transfer-Encoding: chunke\r\n", EMPTY),
    framed("coding-folded", b"Transfer-Encoding:\r\n chunked\r\n", EMPTY),
    framed("coding-folded-with-tab", b"Transfer-Encoding: x\r\n\tchunked\r\n", EMPTY),
    framed("coding-vertical-tab", b"Transfer-Encoding: \x0bchunked\r\n", EMPTY),
    framed("coding-tab-behind", b"Transfer-Encoding: chunked\t\r\n", EMPTY),
    framed("coding-nul", b"Transfer-Encoding: chunked\0\r\n", EMPTY),
    framed("coding-no-break-space", b"Transfer-Encoding: \xa0chunked\r\n", EMPTY),
    framed("coding-space-before-colon", b"Transfer-Encoding : chunked\r\n", EMPTY),
    Row("coding-in-1.0", b"POST /body HTTP/1.0\r\n" + HOST + CHUNKED + END + EMPTY),
    Row("coding-in-1.0-kept", b"POST /body HTTP/1.0\r\n" + HOST + CHUNKED + b"Connection: keep-alive\r\n\r\n" + EMPTY),
    Row("coding-and-length-in-1.0", b"POST /body HTTP/1.0\r\n" + CHUNKED + b"Content-Length: 5\r\n\r\n" + EMPTY),
]

BODIES = [
    chunks("size-empty", b"\r\nabcde\r\n" + EMPTY),
    chunks("size-plus", b"+5\r\nabcde\r\n" + EMPTY),
    chunks("size-minus", b"-5\r\nabcde\r\n" + EMPTY),
    chunks("size-hex-prefix", b"0x5\r\nabcde\r\n" + EMPTY),
    chunks("size-underscore", b"0_5\r\nabcde\r\n" + EMPTY),
    chunks("size-letter", b"g\r\nabcde\r\n" + EMPTY),
    chunks("size-of-17-digits", b"0" * 16 + b"5\r\nabcde\r\n" + EMPTY),
    chunks("size-over-64-bits", b"1" + b"0" * 16 + b"\r\nabcde\r\n" + EMPTY),
    chunks("size-space-before", b" 5\r\nabcde\r\n" + EMPTY),
    chunks("size-space-behind", b"5 \r\nabcde\r\n" + EMPTY),
    chunks("size-tab-behind", b"5\t\r\nabcde\r\n" + EMPTY),
    chunks("size-space-before-extension", b"5 ;a=b\r\nabcde\r\n" + EMPTY),
    chunks("size-missing-before-extension", b";a=b\r\nabcde\r\n" + EMPTY),
    chunks("size-without-cr", b"5\nabcde\r\n" + EMPTY),
    chunks("size-without-lf", b"5\rabcde\r\n" + EMPTY),
    chunks("size-with-two-cr", b"5\r\r\nabcde\r\n" + EMPTY),
    chunks("size-nul", b"5\0\r\nabcde\r\n" + EMPTY),
    chunks("chunk-longer-than-its-size", b"5\r\nabcdef\r\n" + EMPTY),
    chunks("chunk-shorter-than-its-size", b"5\r\nabc\r\n" + EMPTY),
    chunks("chunk-end-without-cr", b"5\r\nabcde\n" + EMPTY),
    chunks("chunk-end-without-lf", b"5\r\nabcde\r" + EMPTY),
    chunks("chunk-end-missing", b"5\r\nabcde" + EMPTY),
    chunks("extension-of-257-bytes", b"5;" + b"a" * 257 + b"\r\nabcde\r\n" + EMPTY),
    chunks("extension-without-end", b"5;" + b"a" * 1000),
    chunks("extension-control", b"5;a=\x01\r\nabcde\r\n" + EMPTY),
    chunks("extension-nul", b"5;a\0\r\nabcde\r\n" + EMPTY),
    chunks("extension-bare-cr", b"5;a\rb\r\nabcde\r\n" + EMPTY),
    chunks("extension-bare-lf", b"5;a\nabcde\r\n" + EMPTY),
    chunks("no-last-chunk", b"5\r\nabcde\r\n"),
    chunks("last-chunk-without-cr", b"0\n\r\n"),
    chunks("end-without-cr", b"0\r\n\n"),
    chunks("end-bare-cr", b"0\r\n\rX"),
    chunks("trailers-too-long", b"0\r\n" + b"X: " + b"a" * 8192 + b"\r\n\r\n"),
    chunks("trailers-too-many", b"0\r\n" + b"X: aaaaaaa\r\n" * 700 + b"\r\n"),
    chunks("trailer-control", b"0\r\nX: \x01\r\n\r\n"),
    chunks("trailer-bare-cr", b"0\r\nX: a\rb\r\n\r\n"),
    chunks("trailer-bare-lf", b"0\r\nX: a\n\r\n"),
    chunks("trailer-without-colon", b"0\r\nGET /other HTTP/1.1\r\n\r\n"),
    chunks("trailer-without-name", b"0\r\n: a\r\n\r\n"),
    chunks("trailer-space-before-colon", b"0\r\nX : a\r\n\r\n"),
    chunks("trailer-folded", b"0\r\nX: a\r\n b\r\n\r\n"),
    chunks("no-trailer-end", b"0\r\n"),
]
