"""Wires the audit log: the record of each call, and what watches the calls of the application."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.audit import Audit
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.log import Logger
from antiphon.core.service import scoped, service
from antiphon.services.audit.desk import AuditDesk
from antiphon.services.audit.kept import KeptAudit, SaidAudit
from antiphon.services.audit.tables import audit_metadata
from antiphon.services.database.database import Database
from antiphon.services.database.schema import Schema


@scoped
def audit(ctx: Context, database: Database | None, schema: Schema | None) -> Audit:
    """The record of this call. The tables are `audit_metadata`; without them it is said in the log."""
    kept = schema is not None and is_kept(schema)
    return KeptAudit(ctx, database) if database is not None and kept else SaidAudit(ctx)


@service
async def auditor(database: Database, schema: Schema, clock: Clock, log: Logger) -> AsyncIterator[AuditDesk]:
    """Watches the calls of an application that has a database."""
    opened = AuditDesk(database, clock, log, kept=is_kept(schema))
    try:
        yield opened
    finally:
        await opened.close()


def is_kept(schema: Schema) -> bool:
    """Whether the application has the tables."""
    return schema.has(audit_metadata)
