"""Fetches one document from an address that the operator configured: one GET, bounded in time and in bytes."""

# For a key set every ten minutes, asyncio's streams and llhttp (httptools, which reads requests for us already) are
# all that is needed. urllib in a thread would follow redirects and proxies unless told otherwise, and its timeout is
# that of each read: a server that sends a byte now and then could hold the thread for ever.
#
#   bound                     crossing it
#   5 s for everything        FetchFailed
#   1 MiB, head included      FetchFailed, and the connection is cut
#   redirects                 none is followed: any status but 200 is FetchFailed
#   encodings                 none is asked for, and one that comes is FetchFailed

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpResponseParser

SECONDS = 5.0
MOST_BYTES = 1024 * 1024
_PORTS = {"http": 80, "https": 443}


class FetchFailed(Exception):
    """The document could not be had. The reason is for the log; it repeats nothing that the other side said."""


async def fetch(url: str, *, seconds: float = SECONDS, trusted: ssl.SSLContext | None = None) -> bytes:
    """What stands at an http or https URL, whose address nobody but the operator chose. Raises FetchFailed.

    Certificates are those that the system trusts, or that `trusted` does.
    """
    try:
        async with asyncio.timeout(seconds):
            return await _fetch(url, trusted)
    except TimeoutError:
        raise FetchFailed("timed out") from None
    except ssl.SSLError:
        raise FetchFailed("its certificate or TLS does not hold") from None
    except HttpParserError:
        raise FetchFailed("the answer is no HTTP") from None
    except OSError as error:
        raise FetchFailed(f"no connection ({type(error).__name__})") from None


async def _fetch(url: str, trusted: ssl.SSLContext | None) -> bytes:
    parts = urlsplit(url)
    host, tls = parts.hostname or "", None
    if parts.scheme == "https":
        # In a thread: reading what the system trusts takes as long as many calls.
        tls = trusted or await asyncio.to_thread(ssl.create_default_context)
    reader, writer = await asyncio.open_connection(host, parts.port or _PORTS[parts.scheme], ssl=tls)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\n"
        writer.write(f"{head}Accept-Encoding: identity\r\nConnection: close\r\n\r\n".encode("ascii"))
        answer = _Answer()
        read = 0
        while not answer.is_complete and (data := await reader.read(64 * 1024)):
            read += len(data)
            if read > MOST_BYTES:
                raise FetchFailed("too large")
            answer.parser.feed_data(data)
        return answer.document()
    finally:
        writer.transport.abort()


class _Answer:
    """What llhttp tells of one answer."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.is_complete = False
        self._status = 0
        self._framed = self._encoded = False
        self._body = bytearray()

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered in (b"content-length", b"transfer-encoding"):
            self._framed = True
        elif lowered == b"content-encoding" and value.strip().lower() != b"identity":
            self._encoded = True

    def on_headers_complete(self) -> None:
        self._status = self.parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        # What comes before the answer itself (RFC 9110 §15.2) is none.
        self.is_complete = self._status >= 200

    def document(self) -> bytes:
        """The body, when it is whole and all is well."""
        if self._status != 200:
            raise FetchFailed(f"status {self._status}" if self._status else "no answer")
        if self._encoded:
            raise FetchFailed("it is encoded")
        if self._framed and not self.is_complete:
            raise FetchFailed("it was cut short")
        return bytes(self._body)
