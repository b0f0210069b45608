"""Heads that are no head, hosts that are none, and heads over the bounds: the other rows of what is refused."""

from __future__ import annotations

from tests.wire.server.hostile import BOUNDS, END, HOST, LINE, Row, fields, host, line

LINES = [
    line("line-lower-case-method", b"get / HTTP/1.1"),
    line("line-unknown-method", b"FOO / HTTP/1.1"),
    line("line-method-cut", b"GE / HTTP/1.1"),
    line("line-method-longer", b"GETX / HTTP/1.1"),
    line("line-method-too-long", b"A" * 9000 + b" / HTTP/1.1"),
    line("line-method-with-nul", b"GE\0T / HTTP/1.1"),
    line("line-no-method", b" / HTTP/1.1"),
    line("line-no-target", b"GET HTTP/1.1"),
    line("line-empty-target", b"GET  HTTP/1.1"),
    line("line-no-version", b"GET /"),
    line("line-space-behind-target", b"GET / "),
    line("line-two-spaces", b"GET  / HTTP/1.1"),
    line("line-two-spaces-behind", b"GET /  HTTP/1.1"),
    line("line-tabs", b"GET\t/\tHTTP/1.1"),
    line("line-space-at-its-end", b"GET / HTTP/1.1 "),
    line("line-space-at-its-start", b" GET / HTTP/1.1"),
    line("line-space-in-target", b"GET /a b HTTP/1.1"),
    line("version-0.9", b"GET / HTTP/0.9"),
    line("version-2", b"GET / HTTP/2.0"),
    line("version-1.2", b"GET / HTTP/1.2"),
    line("version-1.10", b"GET / HTTP/1.10"),
    line("version-01.1", b"GET / HTTP/01.1"),
    line("version-1", b"GET / HTTP/1"),
    line("version-lower-case", b"GET / http/1.1"),
    line("version-rtsp", b"GET / RTSP/1.0"),
    line("version-rtsp-method", b"DESCRIBE / RTSP/1.0"),
    line("version-ice", b"SOURCE / ICE/1.0"),
    line("version-other", b"GET / XTTP/1.1"),
    line("target-nul", b"GET /a\0b HTTP/1.1"),
    line("target-control", b"GET /a\x01b HTTP/1.1"),
    line("target-tab", b"GET /a\tb HTTP/1.1"),
    line("target-form-feed", b"GET /a\x0cb HTTP/1.1"),
    line("target-delete", b"GET /a\x7fb HTTP/1.1"),
    line("target-high-byte", b"GET /a\xc3\xa4 HTTP/1.1"),
    line("target-high-byte-in-query", b"GET /?a=\xe4 HTTP/1.1"),
    line("target-fragment", b"GET /a#b HTTP/1.1"),
    line("target-fragment-in-query", b"GET /a?b#c HTTP/1.1"),
    line("target-asterisk-for-get", b"GET * HTTP/1.1"),
    line("target-asterisk-and-more", b"OPTIONS *x HTTP/1.1"),
    line("target-authority-for-get", b"GET a:80 HTTP/1.1"),
    line("target-name-for-get", b"GET a HTTP/1.1"),
    line("target-query-alone", b"GET ?a HTTP/1.1"),
    line("target-backslash", b"GET \\a HTTP/1.1"),
    line("target-ftp", b"GET ftp://a/ HTTP/1.1"),
    line("target-file", b"GET file:///a HTTP/1.1"),
    Row("preface-of-http-2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Row("preface-in-1.1", b"PRI * HTTP/1.1\r\n" + HOST + END),
    Row("client-hello", b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x00\r\n\r\n" * 8),
    Row("socks", b"\x05\x01\x00"),
    Row("zeros", b"\0" * 64),
    Row("bare-lf-before", b"\n" + LINE + HOST + END),
    Row("bare-cr-before", b"\r" + LINE + HOST + END),
    Row("two-bare-cr-before", b"\r\r\n" + LINE + HOST + END),
    Row("line-end-and-bare-lf-before", b"\r\n\n" + LINE + HOST + END),
    Row("line-end-and-bare-cr-before", b"\r\n\r" + LINE + HOST + END),
    Row("lf-alone", b"GET / HTTP/1.1\nHost: a\n\n"),
    Row("lf-behind-line", b"GET / HTTP/1.1\n" + HOST + END),
    Row("cr-behind-line", b"GET / HTTP/1.1\r" + HOST + END),
    Row("two-cr-behind-line", b"GET / HTTP/1.1\r\r\n" + HOST + END),
]

FIELDS = [
    fields("lf-behind-field", b"X: a\n"),
    fields("cr-behind-field", b"X: a\rY: b\r\n"),
    fields("two-cr-behind-field", b"X: a\r\r\n"),
    fields("cr-in-value", b"X: a\rb\r\n"),
    fields("lf-in-value", b"X: a\nb: c\r\n"),
    fields("nul-in-value", b"X: a\0b\r\n"),
    fields("control-in-value", b"X: a\x01b\r\n"),
    fields("vertical-tab-in-value", b"X: a\x0bb\r\n"),
    fields("delete-in-value", b"X: a\x7fb\r\n"),
    fields("control-in-connection", b"Connection: a\x01b\r\n"),
    fields("control-in-upgrade", b"Upgrade: a\x01b\r\n"),
    fields("folded-with-space", b"X: a\r\n b\r\n"),
    fields("folded-with-tab", b"X: a\r\n\tb\r\n"),
    fields("folded-empty", b"X: a\r\n \r\n"),
    Row("folded-first", LINE + b" X: a\r\n" + HOST + END),
    fields("space-before-colon", b"X : a\r\n"),
    fields("tab-before-colon", b"X\t: a\r\n"),
    fields("space-in-name", b"X Y: a\r\n"),
    fields("nul-in-name", b"X\0Y: a\r\n"),
    fields("control-in-name", b"X\x01: a\r\n"),
    fields("delete-in-name", b"X\x7f: a\r\n"),
    fields("high-byte-in-name", b"X\xe4: a\r\n"),
    fields("parenthesis-in-name", b"X(: a\r\n"),
    fields("slash-in-name", b"X/Y: a\r\n"),
    fields("at-in-name", b"X@Y: a\r\n"),
    fields("quotes-round-name", b'"X": a\r\n'),
    fields("no-colon", b"X\r\n"),
    fields("no-name", b": a\r\n"),
    fields("request-as-field", b"GET /other HTTP/1.1\r\n"),
    Row("end-with-bare-lf", LINE + HOST + b"\n"),
    Row("end-with-bare-cr", LINE + HOST + b"\rX"),
]

HOSTS = [
    host("host-missing", b""),
    host("host-missing-among-others", b"X: a\r\n"),
    host("host-twice", HOST + b"Host: b\r\n"),
    host("host-twice-the-same", HOST + HOST),
    host("host-twice-in-another-case", HOST + b"HOST: a\r\n"),
    host("host-empty", b"Host:\r\n"),
    host("host-blank", b"Host: \t\r\n"),
    host("host-spaced", b"Host: a b\r\n"),
    host("host-list", b"Host: a,b\r\n"),
    host("host-with-path", b"Host: a/b\r\n"),
    host("host-with-user", b"Host: u@a\r\n"),
    host("host-with-scheme", b"Host: http://a\r\n"),
    host("host-port-word", b"Host: a:http\r\n"),
    host("host-port-too-large", b"Host: a:65536\r\n"),
    host("host-port-signed", b"Host: a:+80\r\n"),
    host("host-port-twice", b"Host: a:80:80\r\n"),
    host("host-port-alone", b"Host: :80\r\n"),
    host("host-dot", b"Host: .\r\n"),
    host("host-high-byte", b"Host: \xe4\r\n"),
    host("host-bad-percent", b"Host: a%zz\r\n"),
    host("host-ipv6-open", b"Host: [::1\r\n"),
    host("host-ipv6-bare", b"Host: ::1\r\n"),
    host("host-ipv6-malformed", b"Host: [::g]\r\n"),
    host("host-ipv6-with-zone", b"Host: [fe80::1%25eth0]\r\n"),
    host("host-twice-in-1.0", HOST + HOST, b"/ HTTP/1.0\r\nX: a"),
    host("absolute-other-host", HOST, b"http://b/"),
    host("absolute-other-port", b"Host: a:80\r\n", b"http://a:81/"),
    host("absolute-port-unsaid", HOST, b"http://a:80/"),
    host("absolute-with-user", HOST, b"http://u@a/"),
    host("absolute-with-user-as-host", HOST, b"http://a@b/"),
    host("absolute-without-host", HOST, b"http:///x"),
    host("absolute-without-host-header", b"", b"http://a/"),
    host("absolute-with-empty-host-header", b"Host:\r\n", b"http://a/"),
    host("absolute-malformed", HOST, b"http:/a/"),
    host("absolute-backslash", HOST, b"http://a\\b/"),
]


def headers(count: int, size: int) -> bytes:
    """So many headers, each so large, beside the one that Host is."""
    return b"".join(b"%b: %b\r\n" % (b"x" * 2, b"a" * (size - 2)) for _ in range(count))


URL, ONE, ALL, COUNT = BOUNDS.url_bytes, BOUNDS.one_header_bytes, BOUNDS.header_bytes, BOUNDS.header_count
BESIDE = len(b"Hosta")
"""The size of the header that is there anyhow."""
BLANKS = ALL + 4 * (COUNT + 1) - len(b"\r\n" + HOST + b"X:\r\n")
"""As many as fill what a head may have beside its headers."""

TOO_LARGE = [
    line("target-one-too-long", b"GET /" + b"a" * URL + b" HTTP/1.1", 414),
    line("target-with-query-one-too-long", b"GET /?" + b"a" * (URL - 1) + b" HTTP/1.1", 414),
    line("target-absolute-one-too-long", b"GET http://a/" + b"a" * (URL - 8) + b" HTTP/1.1", 414),
    fields("one-header-one-too-large", headers(1, ONE + 1), 431),
    fields("one-header-name-too-large", b"x" * ONE + b": a\r\n", 431),
    fields("all-headers-one-too-large", headers(2, 100) + headers(1, ALL - 200 - BESIDE + 1), 431),
    fields("headers-one-too-many", headers(COUNT, 3), 431),
    fields("blanks-beyond-all", b"X:" + b" " * (ALL * 2) + b"a\r\n", 431),
    fields("blanks-one-beyond", b"X:" + b" " * (BLANKS + 1) + b"\r\n", 431),
]

ENDLESS = [
    Row("target-without-end", b"GET /" + b"a" * (URL * 4), 414),
    Row("target-very-long", b"GET /" + b"a" * 300_000, 414),
    Row("header-without-end", LINE + HOST + b"X: " + b"a" * (ALL * 2), 431),
    Row("header-name-without-end", LINE + HOST + b"x" * (ALL * 2), 431),
    Row("header-value-blanks-without-end", LINE + HOST + b"X:" + b" " * (ALL * 2), 431),
    Row("headers-without-end", LINE + HOST + headers(COUNT * 4, 3), 431),
    Row("headers-very-large", LINE + HOST + headers(4000, 100), 431),
]
"""What is refused before its end was there; what stands behind would belong to it."""

WITHIN = [
    line("target-of-the-bound", b"GET /" + b"a" * (URL - 1) + b" HTTP/1.1", 200),
    line("target-one-below-the-bound", b"GET /" + b"a" * (URL - 2) + b" HTTP/1.1", 200),
    fields("one-header-of-the-bound", headers(1, ONE), 200),
    fields("one-header-below-the-bound", headers(1, ONE - 1), 200),
    fields("all-headers-of-the-bound", headers(2, 100) + headers(1, ALL - 200 - BESIDE), 200),
    fields("all-headers-below-the-bound", headers(2, 100) + headers(1, ALL - 200 - BESIDE - 1), 200),
    fields("blanks-of-the-bound", b"X:" + b" " * BLANKS + b"\r\n", 200),
    fields("as-many-headers-as-the-bound", headers(COUNT - 1, 3), 200),
    fields("one-header-less-than-the-bound", headers(COUNT - 2, 3), 200),
]
"""Heads that just fit: they are answered, and so is what follows."""
