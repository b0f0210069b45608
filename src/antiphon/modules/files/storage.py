"""Where the bytes of files are: a folder of the application, under names that nobody chose."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Annotated, ClassVar

from msgspec import Meta

from antiphon import AppInfo, Conflict, Fault, Settings, Unavailable, Upload, doc, service
from antiphon.modules.files.files import File

REFUSED = "The scanner found something in this file, and its bytes were deleted."
"""Why nobody gets a file, told to whoever asks for it and by the job that found out."""

MOST_SCAN_TIME = timedelta(minutes=10)
"""A job that waits for the scanner has to end in its own time."""

_LOOK_AGAIN_SECONDS = 5.0

DEFAULT_TYPES = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "application/pdf",
    "application/zip",
    "application/json",
    "text/plain",
    "text/csv",
    "audio/mpeg",
    "video/mp4",
)


class FileSettings(Settings, frozen=True):
    """What may be uploaded, and how much of it."""

    section: ClassVar[str] = "files"

    types: Annotated[tuple[str, ...], doc("The content types that may be uploaded.")] = DEFAULT_TYPES
    file_bytes: Annotated[int, Meta(ge=1), doc("How large one file may be.")] = 10 * 1024**2
    image_pixels: Annotated[int, Meta(ge=1), doc("How many pixels a picture may say that it has.")] = 40_000_000
    user_bytes: Annotated[int, Meta(ge=1), doc("What the files of one user may take together.")] = 1024**3
    user_count: Annotated[int, Meta(ge=1), doc("How many files one user may have.")] = 10_000
    scanner: Annotated[
        tuple[str, ...],
        doc("The program that has to pass each file before anybody fetches it, and its flags. Empty: none."),
    ] = ()
    scan_time: Annotated[timedelta, doc("How long the scanner may look at one file.")] = timedelta(minutes=1)

    def problems(self, environment: str) -> Iterable[Fault]:
        if self.scanner and not PurePath(self.scanner[0]).is_absolute():
            yield Fault("scanner", "runs without a PATH of yours: begin with the full path of the program")
        if not timedelta(0) < self.scan_time <= MOST_SCAN_TIME:
            yield Fault("scan_time", "is the time for one file; write a duration above zero and up to 10m")

    def warnings(self, environment: str) -> Iterable[Fault]:
        if self.scanner and not os.access(self.scanner[0], os.X_OK):
            yield Fault("scanner", "names a program that cannot be run here, so that no file will ever pass")


class FileStorage:
    """The bytes of files, by tenant and id. What is kept here is on disk before `keep` returns."""

    def __init__(self, folder: Path, settings: FileSettings) -> None:
        self._folder = folder
        self.settings = settings

    def path(self, tenant_id: str, file_id: str) -> Path:
        """Where a file is. The ids are ours, so they hold no path of anybody's; a tenant has a folder of its own."""
        return self._folder / tenant_id / file_id[-2:] / file_id

    def given_out(self, file: File, tenant_id: str) -> Path:
        """Where a file is, for whoever fetches it: the one way to its bytes from outside.

        Raises Conflict for a file that the scanner refused, and Unavailable for one that has not passed it yet, or
        whose bytes are not on this server's disk.
        """
        if file.refused_at is not None:
            raise Conflict(REFUSED)
        if self.settings.scanner and file.scanned_at is None:
            raise Unavailable("This file was not scanned yet. Ask again soon.", retry_after=_LOOK_AGAIN_SECONDS)
        path = self.path(tenant_id, file.id)
        if not path.exists():
            raise Unavailable("The bytes of this file are not here.", retry_after=_LOOK_AGAIN_SECONDS)
        return path

    async def keep(self, upload: Upload, tenant_id: str, file_id: str) -> None:
        """Take an upload over."""
        await asyncio.to_thread(_keep, upload.path, self.path(tenant_id, file_id))

    async def remove(self, tenant_id: str, file_id: str) -> None:
        """Remove a file; one that is gone already is no fault."""
        await asyncio.to_thread(self.path(tenant_id, file_id).unlink, missing_ok=True)


def _keep(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.rename(target)
    # Each of them may be new: the folder of the ids, that of the tenant, and the one of all.
    for parent in target.parents[:3]:
        folder = os.open(parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@service
async def file_storage(settings: FileSettings, info: AppInfo) -> AsyncIterator[FileStorage]:
    """The folder `files` of the application's data."""
    folder = info.folder / "files"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    yield FileStorage(folder, settings)
