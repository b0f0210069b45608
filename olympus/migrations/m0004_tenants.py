"""Tenants, and the one that everybody who is there belongs to; a count of the changes of each user's roles."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "m0004_tenants"
down_revision = "m0003_outbox_and_ledger"

DEFAULT_TENANT_ID = "00000000-0000-8000-8000-000000000002"


def upgrade() -> None:
    """Make the tenant `default`, and put every row that is there into it."""
    tenants = op.create_table(
        "tenants",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tenants")),
    )
    with op.batch_alter_table("tenants", schema=None) as batch_op:
        batch_op.create_index("uq_tenants_name", ["name"], unique=True)
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    default = {"id": DEFAULT_TENANT_ID, "name": "default", "created_at": made_at, "updated_at": made_at}
    op.bulk_insert(tenants, [default])
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("roles_version", sa.Integer(), server_default="0", nullable=False))
    for table in ("users", "user_roles", "files", "messages"):
        _add_tenant(table)
    _move_indexes()


def _add_tenant(table: str) -> None:
    with op.batch_alter_table(table, schema=None) as batch_op:
        batch_op.add_column(sa.Column("tenant_id", sa.Uuid(as_uuid=False), nullable=True))
    rows = sa.table(table, sa.column("tenant_id", sa.Uuid(as_uuid=False)))
    op.execute(rows.update().values(tenant_id=DEFAULT_TENANT_ID))
    with op.batch_alter_table(table, schema=None) as batch_op:
        batch_op.alter_column("tenant_id", existing_type=sa.Uuid(as_uuid=False), nullable=False)
        batch_op.create_foreign_key(batch_op.f(f"fk_{table}_tenant_id_tenants"), "tenants", ["tenant_id"], ["id"])


def _move_indexes() -> None:
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.drop_index("uq_users_name")
        batch_op.create_index("uq_users_name", ["tenant_id", "name"], unique=True)
    with op.batch_alter_table("files", schema=None) as batch_op:
        batch_op.drop_index("ix_files_user_id")
        batch_op.create_index("ix_files_user_id", ["user_id"], unique=False)
        batch_op.create_index("ix_files_tenant_id", ["tenant_id", "user_id", "created_at"], unique=False)
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.drop_index("ix_messages_created_at")
        batch_op.create_index("ix_messages_created_at", ["created_at"], unique=False)
        batch_op.create_index("ix_messages_tenant_id", ["tenant_id", "created_at", "id"], unique=False)
