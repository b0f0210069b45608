"""The tables of accounts. An application merges them into its own schema."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table

from antiphon import NAMES, Id, UtcDateTime

metadata = MetaData(naming_convention=NAMES)

DEFAULT_TENANT_ID = "00000000-0000-8000-8000-000000000002"
"""The tenant that whoever signs up joins. A migration of the application makes it."""

tenants = Table(
    "tenants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(64), nullable=False, info={"input": "name"}),
    Column("disabled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("uq_tenants_name", "name", unique=True),
)

users = Table(
    "users",
    metadata,
    Column("id", Id, primary_key=True, info={"owner": True}),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("name", String(256), nullable=False, info={"input": "name"}),
    Column("email", String(320), nullable=False, info={"input": "email"}),
    Column("password_hash", String(256), nullable=False, server_default=""),
    Column("roles_version", Integer, nullable=False, server_default="0"),
    Column("disabled_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    # A name is known within a tenant; an email is how somebody signs in who has not said yet to which they belong.
    Index("uq_users_name", "tenant_id", "name", unique=True),
    Index("uq_users_email", "email", unique=True),
)

user_roles = Table(
    "user_roles",
    metadata,
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, info={"owner": True}),
    Column("role", String(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "tenant_id"),
)
