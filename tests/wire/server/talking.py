"""A client that sends exactly these bytes in exactly these segments, and reads all answers until the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise

from antiphon.testing.raw import BrokenAnswer, RawAnswer, RawHttp
from tests.wire.server.stage import HOST, Stage

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
"""A good request, to stand behind bytes after which nothing may be read as one."""


class Talk(RawHttp):
    """A connection whose sends leave at once, each as a segment of its own that the server has read when it returns."""

    direct: socket.socket

    async def segments(self, segments: Iterable[bytes]) -> None:
        """Send each of these by itself, until the server takes no more."""
        for segment in segments:
            while segment:
                try:
                    segment = segment[self.direct.send(segment) :]
                except BlockingIOError:
                    pass
                except ConnectionError:
                    return
                # The server shares this loop: with the next turn it has read what is there.
                await asyncio.sleep(0)

    def push(self, data: bytes) -> int:
        """Send what goes out at once, without a turn for anybody; how many bytes that were."""
        try:
            return self.direct.send(data)
        except BlockingIOError:
            return 0

    def reset(self) -> None:
        """Leave without a word."""
        self.direct.close()
        super().reset()

    async def close(self) -> None:
        """Close the connection."""
        self.direct.close()
        await super().close()

    async def answers(self, methods: Sequence[str] = ()) -> list[RawAnswer]:
        """Every answer until the server closes; a connection that is cut within one is a BrokenAnswer."""
        found: list[RawAnswer] = []
        rest = iter(methods)
        while True:
            try:
                found.append(await self.answer(next(rest, "GET")))
            except BrokenAnswer as cut:
                if not str(cut).endswith("where a line belongs.") or cut.__cause__ is None:
                    raise
                partial = getattr(cut.__cause__, "partial", b"")
                if partial:
                    raise
                return found


@asynccontextmanager
async def talking(stage: Stage, *, source: str | None = None, buffer_bytes: int = 0) -> AsyncGenerator[Talk]:
    """Connect to a stage, from another address of this machine if so said.

    With `buffer_bytes` the system holds no more than about that for either direction.
    """
    client = socket.socket()
    if buffer_bytes:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer_bytes)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    if source is not None:
        client.bind((source, 0))
    client.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(client, (HOST, stage.port))
    except OSError:
        client.close()
        raise
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A client that does not read holds little back itself.
    limit = buffer_bytes or 64 * 1024
    talk = Talk(*await asyncio.open_connection(sock=client, limit=limit))
    # The transport takes its socket for itself; this one is the same connection.
    talk.direct = client.dup()
    try:
        yield talk
    finally:
        await talk.close()


def bytewise(data: bytes) -> list[bytes]:
    """Each byte by itself."""
    return [data[at : at + 1] for at in range(len(data))]


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The pieces between these places."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]
