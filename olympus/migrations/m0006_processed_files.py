"""What is found out about files after their upload."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "m0006_processed_files"
down_revision = "m0005_identity"


def upgrade() -> None:
    """Add the job that looks at a file, when it has, and the size of pictures."""
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.add_column(sa.Column("job_id", sa.String(length=300), server_default="", nullable=False))
        batch_op.add_column(sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("width", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("height", sa.Integer(), nullable=True))
