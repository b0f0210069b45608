"""Finds files that no scan has come to, such as those from before there was a scanner, and has them looked at."""

from __future__ import annotations

from datetime import timedelta

from antiphon import Context, Struct, Verdict, action, allow, every, named
from antiphon.modules.files.files import files_anywhere
from antiphon.modules.files.processing import process_file
from antiphon.modules.files.storage import FileStorage

_AT_ONCE = 500
_PATIENCE = timedelta(hours=1)
"""For so long a file's own job may still come to it."""


class Queued(Struct):
    """How many files are looked at once more."""

    queued: int


async def _itself(ctx: Context) -> Verdict:
    caller = await ctx.identify()
    # A job runs as whoever queued it, and an admin is of one tenant.
    return Verdict(granted=caller.kind == "system", reason="the jobs reach the files of every tenant")


system = named(_itself, "system")


@action("files:scan", every("10m"), allow(system))
async def scan_files(ctx: Context) -> Queued:
    """Queue the files of every tenant that wait for the scanner for more than an hour; none where there is none."""
    if not ctx.get(FileStorage).settings.scanner:
        return Queued(0)
    waiting = await files_anywhere(ctx, "files of every tenant wait for the scanner").unscanned(
        ctx.now - _PATIENCE, _AT_ONCE
    )
    for file_id, tenant_id in waiting:
        ctx.as_tenant(tenant_id)
        await ctx.later(process_file.bind(file_id=file_id), unique=f"scan:{file_id}")
    return Queued(len(waiting))
