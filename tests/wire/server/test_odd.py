"""What is odd and yet allowed: it is answered, and the next request on the connection too."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.wire.server.stage import Stage
from tests.wire.server.talking import bytewise, talking

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
HOST = b"Host: a\r\n"


class Odd(NamedTuple):
    """A request, the status of its answer, and what was handed up: method, path and body."""

    data: bytes
    asked: tuple[str, bytes, bytes | None]
    status: int = 200


def get(fields: bytes, line: bytes = b"GET / HTTP/1.1") -> Odd:
    """A GET with these headers."""
    return Odd(line + b"\r\n" + HOST + fields + b"\r\n", ("GET", b"/", None))


def post(fields: bytes, body: bytes, read: bytes = b"abcde") -> Odd:
    """A POST with a body."""
    return Odd(b"POST /body HTTP/1.1\r\n" + HOST + fields + b"\r\n" + body, ("POST", b"/body", read))


CHUNKED = b"Transfer-Encoding: chunked\r\n"
ROWS = {
    "trace": Odd(b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n", ("TRACE", b"/", None), 405),
    "other-method": Odd(b"PROPFIND / HTTP/1.1\r\n" + HOST + b"\r\n", ("PROPFIND", b"/", None)),
    "query-method": Odd(b"QUERY / HTTP/1.1\r\n" + HOST + b"\r\n", ("QUERY", b"/", None)),
    "asterisk": Odd(b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n", ("OPTIONS", b"*", None)),
    "absolute": get(b"", b"GET http://a/ HTTP/1.1"),
    "absolute-in-capitals": get(b"", b"GET HTTP://A/ HTTP/1.1"),
    "absolute-without-path": get(b"", b"GET http://a HTTP/1.1"),
    "absolute-query-alone": get(b"", b"GET http://a?x HTTP/1.1"),
    "line-ends-before": Odd(b"\r\n\r\n\r\n" + get(b"").data, ("GET", b"/", None)),
    "no-blank-behind-colon": get(b"X:a\r\n"),
    "blanks-round-value": get(b"X: \t a \t \r\n"),
    "empty-value": get(b"X:\r\n"),
    "high-bytes-in-value": get(b"X: \xff\xc3\xa4\r\n"),
    "name-of-all-characters": get(b"!#$%&'*+-.^_`|~09azAZ: a\r\n"),
    "host-in-capitals": Odd(b"GET / HTTP/1.1\r\nHOST: A.:80\r\n\r\n", ("GET", b"/", None)),
    "host-ipv6": Odd(b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ("GET", b"/", None)),
    "upgrade-ignored": get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n"),
    "upgrade-with-body": post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", b"abcde"),
    "upgrade-chunked": post(b"Connection: Upgrade\r\nUpgrade: x\r\n" + CHUNKED, b"5\r\nabcde\r\n0\r\n\r\n"),
    "proxy-connection": get(b"Proxy-Connection: close\r\n"),
    "connection-of-another-kind": get(b"Connection: closed, not-close\r\n"),
    "content-length-zero": get(b"Content-Length: 0\r\n"),
    "content-length-zeros-before": post(b"Content-Length: 0005\r\n", b"abcde"),
    "content-length-blanks": post(b"Content-Length:\t 5 \t\r\n", b"abcde"),
    "chunked-in-capitals": post(b"TRANSFER-ENCODING:CHUNKED\r\n", b"5\r\nabcde\r\n0\r\n\r\n"),
    "chunked-with-tab": post(b"Transfer-Encoding:\tchunked\r\n", b"5\r\nabcde\r\n0\r\n\r\n"),
    "chunk-sizes-of-all-kinds": post(CHUNKED, b"000A\r\n0123456789\r\n00\r\n\r\n", b"0123456789"),
    "chunk-size-of-16-digits": post(CHUNKED, b"0000000000000005\r\nabcde\r\n0\r\n\r\n"),
    "chunk-extensions": post(CHUNKED, b'5;a=b;c="d e"\r\nabcde\r\n0;x\r\n\r\n'),
    "chunk-extension-of-256-bytes": post(CHUNKED, b"5;" + b"a" * 256 + b"\r\nabcde\r\n0\r\n\r\n"),
    "chunk-data-like-framing": post(CHUNKED, b"5\r\n\r\n0\r\n\r\n0\r\n\r\n", b"\r\n0\r\n"),
    "trailers": post(CHUNKED, b"5\r\nabcde\r\n0\r\nHost: b\r\nContent-Length: 9\r\n\r\n"),
    "wrong-expectation": Odd(get(b"Expect: tea\r\n").data, ("GET", b"/", None), 417),
    "expectation-without-body": get(b"Expect: 100-continue\r\n"),
    "1.0-kept": Odd(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", ("GET", b"/", None)),
    "1.0-kept-in-a-list": Odd(b"GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", ("GET", b"/", None)),
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("in_one", [True, False], ids=["one-segment", "bytewise"])
async def test_it_is_answered_and_the_next_too(name: str, in_one: bool) -> None:
    """What was handed up is what was meant, and what follows is a request of its own."""
    row = ROWS[name]
    async with Stage() as stage, talking(stage) as client:
        data = row.data + NEXT
        await client.segments([data] if in_one else bytewise(data))
        answers = await client.answers()

    first = stage.asked[0]
    assert [answer.status for answer in answers] == [row.status, 200]
    assert (first.method, first.path, first.body) == row.asked
    assert stage.paths == [row.asked[1], b"/next"]


@pytest.mark.parametrize("target", [b"a:443", b"/", b"*", b"http://a/"])
async def test_connect_is_refused_and_nothing_behind_it_is_read(stage: Stage, target: bytes) -> None:
    """What a client sends through a tunnel it takes for granted is no request to us."""
    async with talking(stage) as client:
        await client.segments([b"CONNECT " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n" + NEXT])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [405]
    assert stage.paths == []


async def test_names_with_an_underscore_are_dropped(stage: Stage) -> None:
    """Where headers become variables they could not be told from those with a hyphen."""
    async with talking(stage) as client:
        await client.segments([get(b"X_Real_IP: 1\r\nContent_Length: 5\r\nX-Y: 2\r\n").data + NEXT])
        await client.answers()

    assert stage.asked[0].headers == [(b"host", b"a"), (b"x-y", b"2")]
    assert stage.paths == [b"/", b"/next"]


@pytest.mark.parametrize(
    "data",
    [b"GET /1.0 HTTP/1.0\r\n\r\n", b"GET /1.1 HTTP/1.1\r\nHost: a\r\nConnection: x, CLOSE\r\n\r\n"],
    ids=["1.0", "close"],
)
async def test_a_client_that_wants_no_more_gets_no_more(stage: Stage, data: bytes) -> None:
    """HTTP/1.0 without keep-alive, and whoever says close: what stands behind is not answered."""
    async with talking(stage) as client:
        await client.segments([data + NEXT])
        answers = await client.answers()

    assert [answer.header("connection") for answer in answers] == ["close"]
    assert b"/next" not in stage.paths


async def test_http_1_0_is_told_that_the_connection_stays(stage: Stage) -> None:
    """Its clients take it to end unless they are told (RFC 9112 §9.3)."""
    async with talking(stage) as client:
        await client.segments([ROWS["1.0-kept"].data + NEXT])
        answers = await client.answers()

    assert [answer.header("connection") for answer in answers] == ["keep-alive", "close"]


async def test_line_ends_alone_cost_little_and_are_no_head(stage: Stage) -> None:
    """A client that sends nothing but line ends is waited for as if it sent nothing, and is still answered."""
    async with talking(stage) as client:
        await client.segments([b"\r\n" * 100_000, b"\r", b"\n", NEXT])
        answers = await client.answers()

    assert [answer.status for answer in answers] == [200]
