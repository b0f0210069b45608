"""Addresses that wait to be confirmed, each with the digest of its token."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "m0011_email_confirmations"
down_revision = "m0010_audit_guard"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "email_confirmations",
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("name", sa.String(length=256), server_default="", nullable=False),
        sa.Column("password_hash", sa.String(length=256), server_default="", nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_email_confirmations")),
    )
    with op.batch_alter_table("email_confirmations", schema=None) as batch_op:
        batch_op.create_index("uq_email_confirmations_user_id", ["user_id"], unique=True)
        batch_op.create_index("ix_email_confirmations_email", ["email"], unique=False)
        batch_op.create_index("ix_email_confirmations_expires_at", ["expires_at"], unique=False)
