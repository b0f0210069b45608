"""An application with everything that `check` looks for: open actions, tables, and settings of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, ClassVar

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint

from antiphon import (
    NAMES,
    App,
    Context,
    Database,
    Module,
    Schema,
    Secret,
    Settings,
    action,
    allow,
    anyone,
    doc,
    get,
    limit,
    named,
    only,
    post,
    service,
)
from antiphon.core.access import GRANTED, Verdict
from antiphon.core.transport import Transport


async def _somebody(ctx: Context) -> Verdict:
    return GRANTED


somebody = named(_somebody, "somebody")


class MailSettings(Settings, frozen=True):
    """A section of the application's own."""

    section: ClassVar[str] = "mail"

    password: Annotated[Secret[str], doc("What the mail server is told.")] = Secret("")


class Mail:
    """What reads the section."""


@service
async def mail(settings: MailSettings) -> AsyncIterator[Mail]:
    """Mail that nobody sends."""
    yield Mail()


@action("wide:open", post("/wide"), allow(anyone))
async def wide_open(ctx: Context) -> None:
    """Everybody may, as often as they like."""


@action("wide:watched", post("/watched"), allow(anyone), limit(3, per="1m", shadow=True))
async def wide_watched(ctx: Context) -> None:
    """Everybody may, and somebody counts."""


@action("wide:bounded", post("/bounded"), allow(anyone), limit(3, per="1m"))
async def wide_bounded(ctx: Context) -> None:
    """Everybody may, so often."""


@action("wide:read", get("/read"), allow(anyone))
async def wide_read(ctx: Context) -> None:
    """Everybody may look."""


@action("wide:inside", only("cli", "worker"), allow(anyone))
async def wide_inside(ctx: Context) -> None:
    """Everybody may who is inside already."""


@action("wide:closed", post("/closed"), allow(somebody))
async def wide_closed(ctx: Context) -> None:
    """Not everybody may."""


WARNED = {"wide:open", "wide:watched"}


def tables() -> MetaData:
    """Tables with indexes that are there, that are partial, and that are missing."""
    metadata = MetaData(naming_convention=NAMES)
    Table("tenants", metadata, Column("id", Integer, primary_key=True))
    Table(
        "pairs",
        metadata,
        Column("left", Integer, primary_key=True),
        Column("right", Integer, primary_key=True),
    )
    Table(
        "good",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=False),
        Column("other_id", Integer, ForeignKey("tenants.id"), index=True),
        Column("name", String(10)),
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("id > 0", name="id"),
    )
    Table(
        "bad",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", Integer, nullable=False),
        Column("other_id", Integer, ForeignKey("tenants.id")),
        Column("name", String(10)),
        Index("ix_bad_name", "name", "tenant_id"),
        Index("ix_bad_some", "other_id", sqlite_where=Column("name").is_not(None)),
    )
    return metadata


UNINDEXED = {"bad.other_id", "bad.tenant_id"}


def plain(folder: Path) -> App:
    """An application without tables."""
    return App("plain", modules=[Module(__name__)], folder=folder)


def tabled(folder: Path, migrations: Path, *transports: Transport) -> App:
    """The same with tables, and migrations in this folder."""
    module = Module(__name__, needs=[Database])
    values = [Schema(tables(), migrations)]
    return App("tabled", modules=[module], transports=transports, values=values, folder=folder)


def changed(folder: Path, migrations: Path) -> App:
    """The same with one table more than its migrations will make, whose tenant may be empty."""
    metadata = tables()
    Table(
        "loose",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", Integer, ForeignKey("tenants.id"), nullable=True, index=True),
    )
    module = Module(__name__, needs=[Database])
    return App("tabled", modules=[module], values=[Schema(metadata, migrations)], folder=folder)
