"""The tables of accounts. An application merges them into its own schema."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, MetaData, String, Table

from antiphon import NAMES, Id, UtcDateTime

metadata = MetaData(naming_convention=NAMES)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(256), nullable=False, info={"input": "name"}),
    Column("email", String(320), nullable=False, info={"input": "email"}),
    Column("password_hash", String(256), nullable=False, server_default=""),
    Column("disabled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("uq_users_name", "name", unique=True),
    Index("uq_users_email", "email", unique=True),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role", String(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
)
