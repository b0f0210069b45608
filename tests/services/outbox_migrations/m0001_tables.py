"""All tables at once, as their metadata says."""

from __future__ import annotations

from alembic import op

revision = "m0001_tables"
down_revision = None


def upgrade() -> None:
    """Make them."""
    from tests.services.outbox_stage import METADATA  # noqa: PLC0415  # the stage names this folder

    METADATA.create_all(op.get_bind())
