"""A part of a file, read off the loop in pieces, by whoever writes an answer out."""

from __future__ import annotations

import asyncio
import os
from threading import Lock

PIECE_BYTES = 256 * 1024


class CameUpShort(Exception):
    """The file ended before the bytes that were promised of it."""


class FilePieces:
    """The bytes `[offset, offset + count)` of a file, at most 256 KiB at a time, each read in a thread.

    An async iterator of pieces. The file is opened once and stays the same until `close`, also when another is put
    in its place meanwhile: an answer never mixes two. `close` must be called in every case.
    """

    __slots__ = ("_closing", "_file", "_first", "_left", "_lock", "_offset", "_path")

    def __init__(self, path: str | os.PathLike[str], offset: int, count: int) -> None:
        self._path = path
        self._offset = offset
        self._left = count
        self._first = b""
        self._file = -1
        self._closing = False
        self._lock = Lock()

    async def begin(self) -> None:
        """Open the file and read its first piece, so that what is wrong with it shows before anything is sent.

        Raises CameUpShort when the file has fewer bytes than it should, and OSError from the disk; so does iterating.
        """
        self._first = await self._read()

    def __aiter__(self) -> FilePieces:
        return self

    async def __anext__(self) -> bytes:
        piece, self._first = self._first or await self._read(), b""
        if not piece:
            raise StopAsyncIteration
        return piece

    async def _read(self) -> bytes:
        if not self._left:
            return b""
        piece = await asyncio.to_thread(self._read_piece, min(self._left, PIECE_BYTES))
        self._offset += len(piece)
        self._left -= len(piece)
        return piece

    # A call that is cancelled leaves its thread reading. Closing the descriptor under that thread would let it read
    # from whatever file is opened next under the same number. So the lock decides: whoever is last closes, and the
    # loop never waits for a disk.

    def close(self) -> None:
        """Close the file now, or as soon as the thread that still reads it is done."""
        self._closing = True
        if self._lock.acquire(blocking=False):
            try:
                self._close_file()
            finally:
                self._lock.release()

    def _read_piece(self, size: int) -> bytes:
        try:
            with self._lock:
                if self._closing:
                    return b""
                if self._file < 0:
                    self._file = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
                return self._read_all(size)
        finally:
            if self._closing:
                self.close()

    def _read_all(self, size: int) -> bytes:
        piece = os.pread(self._file, size, self._offset)
        while len(piece) < size:
            # Network and FUSE file systems may give less than was asked for; only nothing at all is the end.
            more = os.pread(self._file, size - len(piece), self._offset + len(piece))
            if not more:
                end = self._offset + len(piece)
                raise CameUpShort(f"{os.fspath(self._path)!r} has shrunk: it ends at byte {end} now.")
            piece += more
        return piece

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
