"""What is done with a file after its upload, as a job: its bytes are read once more, and a picture is measured."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import BinaryIO

from antiphon import Conflict, Context, Struct, action, allow, only, queue, raises, signed_in
from antiphon.modules.files.files import Files
from antiphon.modules.files.pictures import ENOUGH_BYTES, measure
from antiphon.modules.files.storage import FileStorage

_PIECE_BYTES = 1_048_576
_READ = 0.9
"""The share of the work that reading is."""


class Processed(Struct):
    """What was found out about a file: the size of a picture, in pixels."""

    width: int | None = None
    height: int | None = None


@action("file:process", only("worker"), queue("files"), allow(signed_in), raises(Conflict))
async def process_file(ctx: Context, file_id: str) -> Processed:
    """Check that a file's bytes on disk are those that came, and measure pictures. A file that is gone is none."""
    files, storage = ctx.get(Files), ctx.get(FileStorage)
    file = await files.find(file_id, ctx.caller.id)
    await files.done()
    if file is None:
        return Processed()
    try:
        opened = await asyncio.to_thread(storage.path(ctx.caller.tenant_id, file_id).open, "rb")
    except FileNotFoundError:
        raise Conflict("The bytes of the file are not on this node's disk.") from None
    with opened:
        head, digest = await _read(ctx, opened, file.size_bytes)
    if digest != file.sha256:
        raise Conflict("The bytes on disk are not those that were uploaded.")
    picture = measure(head, file.type)
    await files.note(file_id, ctx.now, picture)
    await ctx.progress(1.0, "done")
    return Processed() if picture is None else Processed(picture.width, picture.height)


async def _read(ctx: Context, opened: BinaryIO, size_bytes: int) -> tuple[bytes, str]:
    """The beginning of a file and the digest of all of it, a piece at a time and off the loop."""
    digest, head, read_bytes = sha256(), b"", 0
    while piece := await asyncio.to_thread(opened.read, _PIECE_BYTES):
        await asyncio.to_thread(digest.update, piece)
        head = head or piece[:ENOUGH_BYTES]
        read_bytes += len(piece)
        await ctx.progress(_READ * min(1.0, read_bytes / max(1, size_bytes)), "reading")
    return head, digest.hexdigest()
