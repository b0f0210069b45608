"""The user in whose name Olympus speaks."""

# It is here before anybody can sign up, so that nobody takes its name; the address is one that no sign-up accepts,
# and without a password nobody signs in.

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "m0002_built_in_user"
down_revision = "m0001_first_tables"

users = sa.table(
    "users",
    sa.column("id", sa.Uuid(as_uuid=False)),
    sa.column("name", sa.String()),
    sa.column("email", sa.String()),
    sa.column("created_at", sa.DateTime(timezone=True)),
    sa.column("updated_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    """Add it."""
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    olympus = {
        "id": "00000000-0000-8000-8000-000000000001",
        "name": "Olympus",
        "email": "olympus@built-in.invalid",
        "created_at": made_at,
        "updated_at": made_at,
    }
    op.bulk_insert(users, [olympus])
