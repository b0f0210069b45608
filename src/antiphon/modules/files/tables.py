"""The table of files. An application merges it into its own schema, which has `users`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, String, Table, text

from antiphon import NAMES, Id, UtcDateTime

metadata = MetaData(naming_convention=NAMES)

_UNSCANNED = text("scanned_at IS NULL AND refused_at IS NULL")

files = Table(
    "files",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, info={"owner": True}),
    Column("name", String(255), nullable=False),
    Column("type", String(127), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("description", String(500), nullable=False, server_default=""),
    Column("created_at", UtcDateTime, nullable=False),
    Column("job_id", String(300), nullable=False, server_default=""),
    Column("processed_at", UtcDateTime, nullable=True),
    Column("width", Integer, nullable=True),
    Column("height", Integer, nullable=True),
    Column("scanned_at", UtcDateTime, nullable=True),
    Column("refused_at", UtcDateTime, nullable=True),
    Column("scan_asked_at", UtcDateTime, nullable=True),
    Index("ix_files_tenant_id", "tenant_id", "user_id", "created_at"),
    Index("ix_files_user_id", "user_id"),
    # Of the few that wait for a scanner; where there is none, nobody asks.
    Index("ix_files_unscanned", "created_at", sqlite_where=_UNSCANNED, postgresql_where=_UNSCANNED),
)
