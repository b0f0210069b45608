"""What the first process of a crew and its workers tell each other: the messages and their frames."""

# A frame is four bytes of length, the most significant first, and a message as msgpack. Either side may send at any
# time; the end of the stream is the end of the other process.
#
#   the worker says       meaning
#   Ready                 it serves; its greeting, and where its Python files stand
#   Counted               what it has counted, as the answer to `Count`, or by itself (id 0) as its last word
#   Ask                   somebody scrapes it: what has the whole crew counted?
#
#   the first one says    meaning
#   Count                 what have you counted?
#   Total                 the answer to `Ask`

from __future__ import annotations

import asyncio
import socket

import msgspec

LENGTH_BYTES = 4
LAST_WORD = 0
"""The id of counts that nobody asked for."""


class Ready(msgspec.Struct, tag=True):
    """The worker serves."""

    greeting: list[str]
    roots: list[str]


class Count(msgspec.Struct, tag=True):
    """The worker is asked what it has counted."""

    id: int


class Counted(msgspec.Struct, tag=True):
    """What the worker has counted, as `Totals` reads it."""

    id: int
    counts: bytes


class Ask(msgspec.Struct, tag=True):
    """The crew is asked what all of it has counted."""

    id: int


class Total(msgspec.Struct, tag=True):
    """What the whole crew has counted, as text."""

    id: int
    text: bytes


type Message = Ready | Count | Counted | Ask | Total

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder[Message](Ready | Count | Counted | Ask | Total).decode


class Channel:
    """One end of the pair. Both ends are ours: what comes is trusted."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """The channel over this socket, which belongs to it from now on."""
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end))

    def send(self, message: Message) -> None:
        """Send a message; nothing happens when the other process is gone."""
        if not self._writer.is_closing():
            data = _encode(message)
            self._writer.write(len(data).to_bytes(LENGTH_BYTES) + data)

    async def flush(self) -> None:
        """Wait until everything that was sent has left."""
        try:
            self._writer.close()
            await self._writer.wait_closed()
        except OSError:
            pass

    async def receive(self) -> Message | None:
        """The next message, or None when the other process is gone."""
        try:
            length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
            return _decode(await self._reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError):
            return None

    def close(self) -> None:
        """Close this end."""
        self._writer.close()
