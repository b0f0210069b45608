"""The table of lost events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "m0001_losses"
down_revision = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "channel_losses",
        sa.Column("topic", sa.String(length=512), nullable=False),
        sa.Column("epoch", sa.String(length=16), nullable=False),
        sa.Column("head_life", sa.BigInteger(), nullable=False),
        sa.Column("lost_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_channel_losses")),
    )
