"""What a scanner said of files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "m0012_scanned_files"
down_revision = "m0011_email_confirmations"


def upgrade() -> None:
    """Add when a file has passed the scanner, when it was refused, and when a scan was asked for once more."""
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.add_column(sa.Column("scanned_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("refused_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("scan_asked_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            "ix_files_unscanned",
            ["created_at"],
            sqlite_where=sa.text("scanned_at IS NULL AND refused_at IS NULL"),
            postgresql_where=sa.text("scanned_at IS NULL AND refused_at IS NULL"),
        )
