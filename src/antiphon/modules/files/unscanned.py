"""Finds files that no scan has come to, such as those from before there was a scanner, and has them looked at."""

from __future__ import annotations

from datetime import timedelta

from antiphon import Context, Struct, action, allow, every, system
from antiphon.modules.files.files import files_anywhere
from antiphon.modules.files.processing import process_file
from antiphon.modules.files.storage import FileStorage

_AT_ONCE = 500
_PATIENCE = timedelta(hours=1)
"""For so long a file's own job may still come to it."""
_AGAIN = timedelta(hours=2)
"""When it is asked for once more: a file that no scan can come to, such as one whose bytes are lost, costs a dead job
each time."""


class Queued(Struct):
    """How many files are looked at once more."""

    queued: int


@action("files:scan", every("10m"), allow(system))
async def scan_files(ctx: Context) -> Queued:
    """Queue the files of every tenant that wait for the scanner for more than an hour; none where there is none."""
    if not ctx.get(FileStorage).settings.scanner:
        return Queued(0)
    files = files_anywhere(ctx, "files of every tenant wait for the scanner")
    waiting = await files.unscanned(ctx.now - _PATIENCE, ctx.now - _AGAIN, _AT_ONCE)
    if not waiting:
        return Queued(0)
    await files.note_asked([file_id for file_id, _ in waiting], ctx.now)
    for file_id, tenant_id in waiting:
        ctx.as_tenant(tenant_id)
        await ctx.later(process_file.bind(file_id=file_id), unique=f"scan:{file_id}")
    return Queued(len(waiting))
