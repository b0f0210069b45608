"""Files of a form on their way to disk: gathered, written and hashed off the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec

from antiphon.wire.faults import too_large
from antiphon.wire.sniff import ENOUGH_BYTES, sniff

PIECE_BYTES = 256 * 1024
"""What is gathered of a file before it is written: enough to make the hop cheap, little enough to hold."""


class UploadedFile(msgspec.Struct, frozen=True):
    """A file of a form, at `path` until the form is closed; whoever keeps it moves it from there.

    `name` and `content_type` are the client's words: show `shown_name(name)`, believe `sniffed`, which is what
    `sniff` made of the first bytes. `sha256` is hex.
    """

    name: str
    content_type: str
    sniffed: str | None
    size_bytes: int
    sha256: str
    path: Path


class ArrivingFile:
    """A file while it arrives. `write` and `finish` touch the disk: run them by `to_its_end`, one at a time."""

    __slots__ = (
        "_digest",
        "_file",
        "_head",
        "_pieces",
        "content_type",
        "file_name",
        "name",
        "size_bytes",
        "waiting_bytes",
    )

    def __init__(self, name: str, file_name: str, content_type: str) -> None:
        self.name = name
        self.file_name = file_name
        self.content_type = content_type
        self.size_bytes = 0
        self.waiting_bytes = 0
        self._head = b""
        self._pieces: list[bytes] = []
        self._file: BinaryIO | None = None
        self._digest = sha256()

    def add(self, piece: bytes, limit_bytes: int) -> None:
        self.size_bytes += len(piece)
        self.waiting_bytes += len(piece)
        if self.size_bytes > limit_bytes:
            raise too_large(message=f"A file of the form is larger than {limit_bytes} bytes.")
        if len(self._head) < ENOUGH_BYTES:
            self._head += piece[: ENOUGH_BYTES - len(self._head)]
        self._pieces.append(piece)

    def write(self, path: Path) -> None:
        pieces, self._pieces, self.waiting_bytes = self._pieces, [], 0
        if self._file is None:
            self._file = path.open("xb", buffering=0)
        data = memoryview(b"".join(pieces))
        self._digest.update(data)
        while data:
            data = data[self._file.write(data) :]

    def finish(self, path: Path) -> UploadedFile:
        self.write(path)
        self.close()
        digest = self._digest.hexdigest()
        return UploadedFile(self.file_name, self.content_type, sniff(self._head), self.size_bytes, digest, path)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


async def to_its_end[T](work: Callable[[], T]) -> T:
    """What `work` gives, run in a thread and waited for even when the caller is cancelled meanwhile.

    A thread cannot be stopped: removing the files under one that still writes would leave what it wrote after.
    """
    running = asyncio.get_running_loop().run_in_executor(None, work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        running.exception()  # asked for, or the loop complains that nobody did
        raise cancelled
    return running.result()
