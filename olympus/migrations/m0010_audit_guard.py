"""The audit log counts what repeats, knows where it begins, and refuses to be changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from antiphon import audit_guard

revision = "m0010_audit_guard"
down_revision = "m0007_audit_log"

_BEGINNING = "0" * 64
_log = sa.table("audit_log", sa.column("seq"), sa.column("before_hash"))
_end = sa.table("audit_end", sa.column("first_seq"), sa.column("first_hash"))


def upgrade() -> None:
    """Add the columns, two indexes, and the guard."""
    op.add_column("audit_log", sa.Column("times", sa.Integer(), server_default="1", nullable=False))
    op.add_column("audit_end", sa.Column("first_seq", sa.BigInteger(), server_default="1", nullable=False))
    op.add_column("audit_end", sa.Column("first_hash", sa.String(length=64), server_default=_BEGINNING, nullable=False))
    # The first rows may have been removed by hand, as nothing purged them yet.
    first = sa.select(_log.c.before_hash).order_by(_log.c.seq).limit(1).scalar_subquery()
    op.execute(
        _end.update().values(
            first_seq=sa.func.coalesce(sa.select(sa.func.min(_log.c.seq)).scalar_subquery(), 1),
            first_hash=sa.func.coalesce(first, _BEGINNING),
        )
    )
    op.create_index(op.f("ix_audit_log_action"), "audit_log", ["action"], unique=False)
    op.create_index(op.f("ix_audit_log_actor"), "audit_log", ["actor"], unique=False)
    engine = "postgresql" if op.get_bind().dialect.name == "postgresql" else "sqlite"
    for statement in audit_guard(engine):
        op.execute(statement)
