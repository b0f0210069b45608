"""The table of public messages."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, MetaData, Table, Text

from antiphon import NAMES, Id, UtcDateTime

metadata = MetaData(naming_convention=NAMES)

messages = Table(
    "messages",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, info={"owner": True}),
    Column("body", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_messages_tenant_id", "tenant_id", "created_at", "id"),
    Index("ix_messages_created_at", "created_at"),
    Index("ix_messages_user_id", "user_id"),
)
