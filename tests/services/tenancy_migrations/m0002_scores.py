"""Scores that singers of a tenant own, and diaries that belong to their owner alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "m0002_scores"
down_revision = "m0001_choirs"


def upgrade() -> None:
    """Scores that singers of a tenant own, and diaries that belong to their owner alone."""
    op.create_table(
        "scores",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("singer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scores")),
    )
    op.create_table(
        "diaries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("singer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_diaries")),
    )
