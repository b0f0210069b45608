"""Files as their owner sees them, and the repository that keeps what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, column, delete, func, insert, or_, select, table, update

from antiphon import Context, Id, NotFound, Struct, Work, scoped
from antiphon.modules.files.pictures import Picture
from antiphon.modules.files.tables import files

_users = table("users", column("id", Id))


class File(Struct):
    """What is known of a file. `sha256` is the hex digest of its bytes.

    `job_id` is the job that looks at what was uploaded; when it has, there is `processed_at`, and for a picture its
    size in pixels. Where there is a scanner, a file that has passed it has `scanned_at`; one in which it found
    something has `refused_at`, and its bytes are gone.
    """

    id: str
    name: str
    type: str
    size_bytes: int
    sha256: str
    description: str
    created_at: datetime
    job_id: str = ""
    processed_at: datetime | None = None
    width: int | None = None
    height: int | None = None
    scanned_at: datetime | None = None
    refused_at: datetime | None = None


class Files:
    """The files of users, within one call's transaction."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def add(self, file: File, owner: str) -> None:
        """Keep what is known of a new file."""
        values = {name: getattr(file, name) for name in file.__struct_fields__}
        await self._work.execute(insert(files).values(user_id=owner, **values))

    async def require(self, file_id: str, owner: str | None) -> File:
        """A file of this user; with None, whoever's it is. Raises NotFound, also for a file of somebody else."""
        if Id.fits(file_id):
            found = select(files).where(files.c.id == file_id)
            if owner is not None:
                found = found.where(files.c.user_id == owner)
            row = (await self._work.execute(found)).one_or_none()
            if row is not None:
                return _file(row)
        raise NotFound("There is no such file.")

    async def find(self, file_id: str, owner: str | None) -> File | None:
        """A file of this user, or None. With None as the owner, whoever's it is."""
        try:
            return await self.require(file_id, owner)
        except NotFound:
            return None

    async def note(self, file_id: str, at: datetime, picture: Picture | None, *, scanned: bool) -> None:
        """Keep what was found out about a file; nothing for one that is gone."""
        found = {"processed_at": at, "width": picture and picture.width, "height": picture and picture.height}
        if scanned:
            found["scanned_at"] = at
        await self._work.execute(update(files).where(files.c.id == file_id).values(found))

    async def refuse(self, file_id: str, at: datetime) -> None:
        """Keep that the scanner found something in a file."""
        found = {"processed_at": at, "scanned_at": None, "refused_at": at}
        await self._work.execute(update(files).where(files.c.id == file_id).values(found))

    async def unscanned(self, before: datetime, asked_before: datetime, count: int) -> list[tuple[str, str]]:
        """The oldest files from before a time that no scan has come to, and for which none was asked since another.

        Gives their ids and tenants.
        """
        waits = (files.c.scanned_at.is_(None), files.c.refused_at.is_(None), files.c.created_at < before)
        unasked = or_(files.c.scan_asked_at.is_(None), files.c.scan_asked_at < asked_before)
        found = select(files.c.id, files.c.tenant_id).where(*waits, unasked).order_by(files.c.created_at).limit(count)
        return [(row.id, row.tenant_id) for row in await self._work.execute(found)]

    async def note_asked(self, file_ids: Sequence[str], now: datetime) -> None:
        """Keep when a scan was asked for."""
        await self._work.execute(update(files).where(files.c.id.in_(file_ids)).values(scan_asked_at=now))

    async def done(self) -> None:
        """End the transaction so far, so that nothing is held while files are read."""
        await self._work.commit()

    async def remove(self, file_id: str) -> None:
        """Forget a file."""
        await self._work.execute(delete(files).where(files.c.id == file_id))

    async def take_turns(self, owner: str) -> None:
        """Let nobody else count the files of this user until this call has ended.

        Two uploads at once would otherwise both find the room that is there for one of them.
        """
        # SQLite has one writer anyway. The lock is of the kind that new rows which refer to the user do not wait for.
        held = select(_users.c.id).where(_users.c.id == owner).with_for_update(key_share=True)
        await self._work.execute(held)

    async def used(self, owner: str) -> tuple[int, int]:
        """How many files a user has, and their bytes; those of a refused file are gone."""
        taken = func.sum(files.c.size_bytes).filter(files.c.refused_at.is_(None))
        counted = select(func.count(), func.coalesce(taken, 0)).where(files.c.user_id == owner)
        count, total = (await self._work.execute(counted)).one()
        return count, int(total)


def files_anywhere(ctx: Context, reason: str) -> Files:
    """The files of every tenant. The reason is audited."""
    return Files(ctx.get(Work).unscoped(reason))


@scoped
def files_of_call(ctx: Context, work: Work) -> Files:
    """The files, within the call's transaction."""
    return Files(work)


def _file(row: Row[*tuple[Any, ...]]) -> File:
    return File(**{name: row._mapping[name] for name in File.__struct_fields__})  # pyright: ignore[reportPrivateUsage]  # the public name of a row's mapping
