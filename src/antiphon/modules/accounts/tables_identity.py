"""The tables of sign-ins, and of what people and programs show instead of a password."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from antiphon import Id, UtcDateTime
from antiphon.modules.accounts.tables import metadata

devices = Table(
    "devices",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, info={"owner": True}),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("address", String(64), nullable=False, server_default=""),
    Column("agent", String(512), nullable=False, server_default=""),
    Column("idle_seconds", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Index("ix_devices_tenant_id", "tenant_id"),
    Index("ix_devices_user_id", "user_id", "created_at"),
    Index("ix_devices_ended_at", "ended_at"),
    Index("ix_devices_expires_at", "expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("device_id", String(64), ForeignKey("devices.id", ondelete="CASCADE"), nullable=False),
    Column("parent", String(64)),
    Column("sealed", Text, nullable=False, server_default=""),
    Column("asked_by", String(64), nullable=False, server_default=""),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("uq_refresh_tokens_parent", "parent", unique=True),
    Index("ix_refresh_tokens_device_id", "device_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, info={"owner": True}),
    Column("tenant_id", Id, ForeignKey("tenants.id"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("permissions", Text, nullable=False),
    Column("networks", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index("ix_api_keys_user_id", "user_id", "created_at"),
    Index("ix_api_keys_tenant_id", "tenant_id"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("algorithm", String(16), nullable=False),
    Column("public", Text, nullable=False),
    Column("sealed", Text, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("current_at", UtcDateTime),
    Column("retired_at", UtcDateTime),
)

password_resets = Table(
    "password_resets",
    metadata,
    Column("user_id", Id, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("uq_password_resets_digest", "digest", unique=True),
)

email_confirmations = Table(
    "email_confirmations",
    metadata,
    # Of an account, or of one that is to be: so it refers to no row of users.
    Column("user_id", Id, nullable=False),
    Column("email", String(320), nullable=False),
    Column("name", String(256), nullable=False, server_default=""),
    Column("password_hash", String(256), nullable=False, server_default=""),
    Column("digest", String(64), primary_key=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("uq_email_confirmations_user_id", "user_id", unique=True),
    Index("ix_email_confirmations_email", "email"),
    Index("ix_email_confirmations_expires_at", "expires_at"),
)
