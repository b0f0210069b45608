"""A network between a browser and a server: bytes pass until it is cut, and again when it is mended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

HOST = "127.0.0.1"
_PIECE_BYTES = 65536


class Network:
    """A relay in front of one port. `port` is what the browser is told."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._whole = True
        self._open: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def to(cls, target: int) -> AsyncGenerator[Network]:
        """A network to this port, for a block."""
        network = cls(target)
        server = await asyncio.start_server(network._pass, HOST, 0)
        network.port = server.sockets[0].getsockname()[1]
        try:
            yield network
        finally:
            server.close()
            network.cut()
            await asyncio.gather(*network._open, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where the browser goes."""
        return f"http://{HOST}:{self.port}"

    def cut(self) -> None:
        """End what passes, and let nothing through."""
        self._whole = False
        for task in self._open:
            task.cancel()

    def mend(self) -> None:
        """Let new connections through."""
        self._whole = True

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if self._whole:
                inner_reader, inner_writer = await asyncio.open_connection(HOST, self._target)
                ways = [asyncio.create_task(_copy(*way)) for way in ((reader, inner_writer), (inner_reader, writer))]
                try:
                    # Neither side uses half-closed connections: when one way ends, both do.
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
                    inner_writer.transport.abort()
        except (OSError, asyncio.CancelledError):
            pass  # cut, or the server does not listen any more
        finally:
            writer.transport.abort()
            self._open.discard(task)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
