"""Fetching a document: one GET, bounded in time and bytes, that follows nothing."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from antiphon.services.identity.fetching import MOST_BYTES, FetchFailed, fetch
from tests.services.issuer_stage import IssuerServer, plain


@pytest.fixture
async def server() -> AsyncIterator[IssuerServer]:
    """A server that answers as the test says."""
    async with IssuerServer() as running:
        yield running


@pytest.mark.parametrize(
    "answer",
    [
        plain(b"[1]"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n1\r\n]\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n[1]",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + plain(b"[1]"),
        plain(b"[1]", "200 OK", "Content-Encoding: identity"),
    ],
)
async def test_a_document_is_fetched(server: IssuerServer, answer: bytes) -> None:
    """However its end is told."""
    server.answer = answer

    assert await fetch(server.url) == b"[1]"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (plain(b"", "301 Moved Permanently", "Location: /elsewhere"), "status 301"),
        (plain(b"", "302 Found", "Location: http://169.254.169.254/"), "status 302"),
        (plain(b"[1]", "206 Partial Content"), "status 206"),
        (plain(b"[1]", "500 Internal Server Error"), "status 500"),
        (plain(b"x", "200 OK", "Content-Encoding: gzip"), "encoded"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[1]", "cut short"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[1", "cut short"),
        (b"", "no answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no HTTP"),
    ],
)
async def test_anything_else_is_a_failure(server: IssuerServer, answer: bytes, reason: str) -> None:
    """A redirect is not followed, an error is no document, and half of one is none."""
    server.answer = answer

    with pytest.raises(FetchFailed, match=reason):
        await fetch(server.url)
    assert len(server.asked) == 1


@pytest.mark.parametrize("framed", [True, False])
async def test_a_document_is_a_mebibyte_at_most(server: IssuerServer, framed: bool) -> None:
    """Whether its length was told or not; no more of it is read."""
    body = b" " * MOST_BYTES
    server.answer = plain(body) if framed else b"HTTP/1.1 200 OK\r\n\r\n" + body

    with pytest.raises(FetchFailed, match="too large"):
        await fetch(server.url)


async def test_a_server_that_does_not_answer_is_given_up(server: IssuerServer) -> None:
    """After the time for everything together."""
    server.answer = None

    with pytest.raises(FetchFailed, match="timed out"):
        await fetch(server.url, seconds=0.05)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")
async def test_a_certificate_must_hold(tmp_path: Path) -> None:
    """One that the system does not know is refused; one that is trusted for this name is not."""
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-keyout", key, "-out", cert, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(["openssl", *made, *named], check=True, capture_output=True)
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(cert, key)
    async with IssuerServer(own) as server:
        server.answer = plain(b"[1]")
        with pytest.raises(FetchFailed, match="certificate"):
            await fetch(server.url)
        assert server.asked == []

        trusted = ssl.create_default_context(cafile=cert)
        assert await fetch(server.url, trusted=trusted) == b"[1]"
        with pytest.raises(FetchFailed, match="certificate"):
            await fetch(server.url.replace("localhost", "127.0.0.1"), trusted=trusted)


async def test_where_nobody_listens_is_a_failure() -> None:
    """And so is a server that speaks no TLS where TLS is asked for."""
    async with IssuerServer() as server:
        url = server.url
        with pytest.raises(FetchFailed):
            await fetch(url.replace("http:", "https:"), seconds=2)

    with pytest.raises(FetchFailed, match="no connection"):
        await fetch(url)
