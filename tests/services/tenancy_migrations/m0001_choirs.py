"""Singers and songs of tenants, and places that belong to nobody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "m0001_choirs"
down_revision = None


def upgrade() -> None:
    """Singers and songs of tenants, and places that belong to nobody."""
    for name in ("singers", "songs"):
        op.create_table(
            name,
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column("tenant_id", sa.Uuid(as_uuid=False), nullable=False),
            sa.Column("key", sa.Integer(), nullable=False),
            sa.Column("name", sa.String(length=20), nullable=False),
            sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{name}")),
        )
    op.create_table(
        "places",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_places")),
    )
