"""What people do with files: upload, download, delete."""

from __future__ import annotations

import asyncio
from pathlib import PurePath
from typing import Annotated

from msgspec import Meta

from antiphon import (
    Conflict,
    Context,
    Download,
    Forbidden,
    InvalidInput,
    NotFound,
    TooLarge,
    Unavailable,
    Upload,
    action,
    agrees,
    allow,
    delete,
    get,
    limit,
    post,
    raises,
    signed_in,
    type_of,
)
from antiphon.modules.files.files import File, Files
from antiphon.modules.files.pictures import MEASURED, Picture, measure
from antiphon.modules.files.processing import process_file
from antiphon.modules.files.storage import FileStorage

type Description = Annotated[str, Meta(max_length=500)]


@action(
    "file:upload",
    post("/file", status=201, location="/file/{id}"),
    allow(signed_in),
    limit("upload"),
    raises(TooLarge),
)
async def upload_file(ctx: Context, file: Upload, description: Description = "") -> File:
    """Upload a file. Its name and its content have to agree on what it is, and that has to be an allowed type."""
    owner = _owner(ctx)
    storage, files = ctx.get(FileStorage), ctx.get(Files)
    extension = PurePath(file.name).suffix
    kind = type_of(extension)
    if kind not in storage.settings.types:
        raise InvalidInput.of("file", "is of a type that is not accepted here")
    if not agrees(extension, file.sniffed):
        raise InvalidInput.of("file", "has a name that says another type than its content")
    if file.size_bytes > storage.settings.file_bytes:
        raise TooLarge(f"A file may have {storage.settings.file_bytes} bytes at most.")
    await _refuse_pixels(file, kind, storage.settings.image_pixels)
    await files.take_turns(owner)
    count, used_bytes = await files.used(owner)
    if count >= storage.settings.user_count or used_bytes + file.size_bytes > storage.settings.user_bytes:
        raise TooLarge("There is no room left for this file. Delete others first.")
    file_id = ctx.new_id()
    # With the transaction: a file that is not kept is not looked at either.
    job = await ctx.later(process_file, file_id)
    kept = File(file_id, file.name, kind, file.size_bytes, file.sha256, description, ctx.now, job.id)
    await files.add(kept, owner)

    async def forget(error: BaseException | None) -> None:
        if error is not None:
            await storage.remove(ctx.caller.tenant_id, kept.id)

    # Registered first, so that a disk that fails half-way leaves nothing either.
    ctx.at_end(forget)
    await storage.keep(file, ctx.caller.tenant_id, kept.id)
    return kept


@action("file:view", get("/file/{file_id}/about"), allow(signed_in), raises(NotFound))
async def view_file(ctx: Context, file_id: str) -> File:
    """Look at what is known of a file of one's own: what it is, and whether it was processed and scanned yet."""
    return await ctx.get(Files).require(file_id, _owner(ctx))


@action("file:download", get("/file/{file_id}"), allow(signed_in), raises(NotFound, Conflict, Unavailable))
async def download_file(ctx: Context, file_id: str) -> Download:
    """Download a file of one's own. Where there is a scanner, it has to pass the file first."""
    file = await ctx.get(Files).require(file_id, _owner(ctx))
    path = ctx.get(FileStorage).given_out(file, ctx.caller.tenant_id)
    return Download(path, file.name, file.type, file.size_bytes, file.sha256, file.created_at)


@action("file:delete", delete("/file/{file_id}"), allow(signed_in), raises(NotFound))
async def delete_file(ctx: Context, file_id: str) -> None:
    """Delete a file of one's own."""
    storage, files = ctx.get(FileStorage), ctx.get(Files)
    file = await files.require(file_id, _owner(ctx))
    await files.remove(file.id)

    async def forget(error: BaseException | None) -> None:
        if error is None:
            await storage.remove(ctx.caller.tenant_id, file.id)

    ctx.at_end(forget)


def _owner(ctx: Context) -> str:
    if not ctx.caller.id:
        raise Forbidden("A file belongs to a user, and the system is none.")
    return ctx.caller.id


async def _refuse_pixels(file: Upload, kind: str, most: int) -> None:
    """Refuse a picture that says it is larger than anybody should decode, before anybody does."""
    if kind not in MEASURED:
        return
    picture = await asyncio.to_thread(_measure, file, kind)
    if picture is None:
        # A decoder may find a size all the same.
        raise InvalidInput.of("file", "is a picture that does not say how large it is")
    if picture.width * picture.height > most:
        raise InvalidInput.of("file", f"has more pixels than the {most:,} that a picture may have")


def _measure(file: Upload, kind: str) -> Picture | None:
    with file.path.open("rb") as opened:
        return measure(opened, kind)
