"""Speaks HTTP/1.1 to a server byte by byte, and reads its answers without any of the code that is being tested."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

_PATIENCE_SECONDS = 10.0
_LINE_BYTES = 64 * 1024


class BrokenAnswer(AssertionError):
    """What came is no whole HTTP answer: it was cut, or it breaks RFC 9112."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """One answer as it came; header names in lower case, in order, and the body without its framing."""

    version: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header that comes at most once, by its lower-case name."""
        values = self.header_values(name)
        if len(values) > 1:
            raise BrokenAnswer(f"{name!r} came {len(values)} times.")
        return values[0] if values else None

    def header_values(self, name: str) -> list[str]:
        """The value of each occurrence of a header, by its lower-case name."""
        return [value for key, value in self.headers if key == name]


class RawHttp:
    """One connection to a server: sends exactly the bytes it is given, and parses strictly what comes back.

    Whatever does not come within ten seconds is an AssertionError that says so.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int, *, receive_bytes: int | None = None) -> Self:
        """Connect. A small `receive_bytes` makes a client that takes little before the server has to wait for it."""
        client = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        client.setblocking(False)
        if receive_bytes is not None:
            # Before connecting: afterwards the window has been announced.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        try:
            await asyncio.get_running_loop().sock_connect(client, (host, port))
        except BaseException:
            client.close()
            raise
        return cls(*await asyncio.open_connection(sock=client, limit=_LINE_BYTES))

    @classmethod
    @asynccontextmanager
    async def to(cls, host: str, port: int, *, receive_bytes: int | None = None) -> AsyncGenerator[Self]:
        """A connection for a block, closed at its end."""
        connection = await cls.open(host, port, receive_bytes=receive_bytes)
        try:
            yield connection
        finally:
            await connection.close()

    # sending

    async def send(self, data: bytes) -> bool:
        """Send these bytes; whether the server still takes any. What it answered before it closed can be read on."""
        try:
            self._writer.write(data)
            async with _patience("the server took no more bytes"):
                await self._writer.drain()
        except ConnectionError:
            return False
        return True

    async def send_split(self, data: bytes, size: int = 1) -> None:
        """Send these bytes in pieces of `size`, each in a packet of its own."""
        self._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(data), size):
            await self.send(data[at : at + size])
            # The server shares this machine, often this very loop: let it read before the next piece.
            await asyncio.sleep(0)

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> RawAnswer:
        """Send one well-formed request and read its answer."""
        lines = [f"{method} {target} HTTP/1.1"]
        given = dict(headers or {})
        if not any(name.lower() == "host" for name in given):
            given["Host"] = "test"
        if body is not None:
            given["Content-Length"] = str(len(body))
        lines += [f"{name}: {value}" for name, value in given.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))
        return await self.answer(method)

    async def get(self, target: str, headers: Mapping[str, str] | None = None) -> RawAnswer:
        """Send a GET and read its answer."""
        return await self.request("GET", target, headers)

    # receiving

    async def answer(self, method: str = "GET") -> RawAnswer:
        """The next answer with its whole body; `method` is that of its request. Interim ones (1xx) count as answers."""
        head = await self.head()
        return RawAnswer(head.version, head.status, head.headers, await self._body(head, method))

    async def head(self) -> RawAnswer:
        """The next answer's status and headers; its body is left for `chunk`, `some` or `rest`."""
        version, status = _status_line(await self._line())
        headers: list[tuple[str, str]] = []
        while line := await self._line():
            name, colon, value = line.partition(":")
            if not colon or not name or name != name.strip():
                raise BrokenAnswer(f"{line!r} is no header.")
            headers.append((name.lower(), value.strip(" \t")))
        return RawAnswer(version, status, headers)

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty at its end."""
        size = int((await self._line()).partition(";")[0], 16)
        data = await self.some(size)
        if await self._line():
            raise BrokenAnswer("A chunk is longer than its size says.")
        return data

    async def some(self, count: int) -> bytes:
        """The next `count` bytes."""
        try:
            async with _patience(f"{count} bytes never came"):
                return await self._reader.readexactly(count)
        except (asyncio.IncompleteReadError, ConnectionError) as cut:
            raise BrokenAnswer(f"The connection ended where {count} more bytes belong.") from cut

    async def rest(self) -> bytes:
        """Everything until the server closes. Raises ConnectionResetError where it resets instead."""
        async with _patience("the server never closed the connection"):
            return await self._reader.read()

    # ending

    def reset(self) -> None:
        """Leave without a word: the server is told by a TCP reset."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def finish_sending(self) -> None:
        """Close this half: the server reads the end, and can still answer."""
        self._writer.write_eof()

    async def close(self) -> None:
        """Close the connection; doing it twice is no error."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            pass

    async def _line(self) -> str:
        try:
            async with _patience("a line of the answer never came"):
                line = await self._reader.readuntil(b"\r\n")
        except (asyncio.IncompleteReadError, ConnectionError) as cut:
            raise BrokenAnswer("The connection ended where a line belongs.") from cut
        return line[:-2].decode("latin-1")

    async def _body(self, head: RawAnswer, method: str) -> bytes:
        # RFC 9112 §6.3, in its order.
        if method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return b""
        length, coding = head.header("content-length"), head.header("transfer-encoding")
        if coding is not None:
            if length is not None or coding.lower() != "chunked":
                raise BrokenAnswer(f"Transfer-Encoding {coding!r} with Content-Length {length!r} can be read two ways.")
            chunks: list[bytes] = []
            while chunk := await self.chunk():
                chunks.append(chunk)
            return b"".join(chunks)
        if length is not None:
            return await self.some(int(length))
        return await self.rest()


def _status_line(line: str) -> tuple[str, int]:
    version, _, rest = line.partition(" ")
    code = rest.partition(" ")[0]
    if version not in ("HTTP/1.1", "HTTP/1.0") or len(code) != 3 or not code.isdigit():
        raise BrokenAnswer(f"{line!r} is no status line.")
    return version.removeprefix("HTTP/"), int(code)


@asynccontextmanager
async def _patience(what_never_happened: str) -> AsyncGenerator[None]:
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            yield
    except TimeoutError:
        raise AssertionError(f"{what_never_happened} (waited {_PATIENCE_SECONDS:g} s)") from None
