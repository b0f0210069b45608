"""The audit log counts what repeats, knows where it begins, and refuses to be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from antiphon import audit_guard

revision = "m0002_guard"
down_revision = "m0001_audit_log"


def upgrade() -> None:
    """Add the columns, two indexes, and the guard."""
    op.add_column("audit_log", sa.Column("times", sa.Integer(), server_default="1", nullable=False))
    op.add_column("audit_end", sa.Column("first_seq", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("audit_end", sa.Column("first_hash", sa.String(length=64), server_default="0" * 64, nullable=False))
    op.create_index(op.f("ix_audit_log_action"), "audit_log", ["action"], unique=False)
    op.create_index(op.f("ix_audit_log_actor"), "audit_log", ["actor"], unique=False)
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in audit_guard("postgresql" if is_postgresql else "sqlite"):
        op.execute(statement)
    if is_postgresql:
        op.execute("REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM CURRENT_USER")
