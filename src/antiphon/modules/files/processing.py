"""What is done with a file after its upload, as a job: it is scanned, read once more, and a picture is measured."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import BinaryIO

from antiphon import (
    Audit,
    Conflict,
    Context,
    Struct,
    Unavailable,
    action,
    allow,
    only,
    queue,
    raises,
    retry,
    signed_in,
    timeout,
)
from antiphon.modules.files.files import File, Files
from antiphon.modules.files.pictures import measure
from antiphon.modules.files.scanning import Verdict, scan
from antiphon.modules.files.storage import REFUSED, FileStorage

_PIECE_BYTES = 1_048_576
_READ = 0.9
"""The share of the work that reading is."""


class Processed(Struct):
    """What was found out about a file: the size of a picture, in pixels."""

    width: int | None = None
    height: int | None = None


@action(
    "file:process",
    only("worker"),
    queue("files"),
    allow(signed_in),
    # About half an hour: a scanner that learns new signatures is away for minutes.
    retry(attempts=12),
    # A scan takes at most ten minutes of it.
    timeout("15m"),
    raises(Conflict, Unavailable),
)
async def process_file(ctx: Context, file_id: str) -> Processed:
    """Have a file scanned, check that its bytes are those that came, and measure pictures. One that is gone is none."""
    files, storage = ctx.get(Files), ctx.get(FileStorage)
    file = await files.find(file_id, _owner(ctx))
    await files.done()
    if file is None:
        return Processed()
    if file.refused_at is not None:
        # The run that refused it may have ended before it came to this.
        await storage.remove(ctx.caller.tenant_id, file_id)
        raise Conflict(REFUSED)
    try:
        opened = await asyncio.to_thread(storage.path(ctx.caller.tenant_id, file_id).open, "rb")
    except FileNotFoundError:
        raise Conflict("The bytes of the file are not on this node's disk.") from None
    with opened:
        if not await _passes(ctx, storage, file):
            await _refuse(ctx, files, storage, file)
            raise Conflict(REFUSED)
        if await _digest(ctx, opened, file.size_bytes) != file.sha256:
            raise Conflict("The bytes on disk are not those that were uploaded.")
        picture = await asyncio.to_thread(measure, opened, file.type)
    await files.note(file_id, ctx.now, picture, scanned=bool(storage.settings.scanner))
    await ctx.progress(1.0, "done")
    return Processed() if picture is None else Processed(picture.width, picture.height)


def _owner(ctx: Context) -> str | None:
    """Whose file it has to be: the caller's, or in a job of our own (`files:scan`) anybody's of its tenant."""
    if ctx.caller.kind != "system":
        return ctx.caller.id
    ctx.as_tenant(ctx.caller.tenant_id)
    return None


async def _passes(ctx: Context, storage: FileStorage, file: File) -> bool:
    """Whether the scanner lets a file pass; without one every file does. Raises Unavailable when it cannot say."""
    settings = storage.settings
    if not settings.scanner:
        return True
    await ctx.progress(0.0, "scanning")
    path = storage.path(ctx.caller.tenant_id, file.id)
    verdict, end, said = await scan(settings.scanner, path, settings.scan_time.total_seconds())
    if verdict is Verdict.FAILED:
        ctx.log.warning("file.scan_failed", file=file.id, end=end, said=said)
        raise Unavailable("The scanner could not look at the file.")
    if verdict is Verdict.FOUND:
        ctx.log.warning("file.refused", file=file.id, said=said)
    return verdict is Verdict.CLEAN


async def _refuse(ctx: Context, files: Files, storage: FileStorage, file: File) -> None:
    """Keep that the scanner found something, and delete the bytes; the job fails after that, and this stands."""
    await files.refuse(file.id, ctx.now)
    ctx.get(Audit).record(file.id, outcome="refused by the scanner")
    await files.done()
    await storage.remove(ctx.caller.tenant_id, file.id)


async def _digest(ctx: Context, opened: BinaryIO, size_bytes: int) -> str:
    """The SHA-256 of a file, a piece at a time and off the loop."""
    digest, read_bytes = sha256(), 0
    while piece := await asyncio.to_thread(opened.read, _PIECE_BYTES):
        await asyncio.to_thread(digest.update, piece)
        read_bytes += len(piece)
        await ctx.progress(_READ * min(1.0, read_bytes / max(1, size_bytes)), "reading")
    return digest.hexdigest()
