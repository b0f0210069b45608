"""The audit log as it is read: rows by who, what, where, how and when, the newest first."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy import select

from antiphon.core.inputs.kinds import Struct
from antiphon.services.audit.tables import audit_log
from antiphon.services.database.work import Work


class AuditRow(Struct):
    """One row. `times` is how often it happened within a minute, after the first."""

    seq: int
    at: datetime
    actor: str
    tenant_id: str | None
    action: str
    object: str
    outcome: str
    times: int
    address: str
    request_id: str


class AuditFilter(msgspec.Struct, frozen=True):
    """Which rows; what is empty lets every row through. `since` is the first moment, `until` is no longer in it."""

    actor: str = ""
    action: str = ""
    tenant_id: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None


async def read_audit(work: Work, which: AuditFilter, *, before: int | None = None, count: int) -> list[AuditRow]:
    """So many rows, the newest first; with `before` those that stand before the row of this number."""
    row = audit_log.c
    found = select(*(row[name] for name in AuditRow.__struct_fields__)).order_by(row.seq.desc()).limit(count)
    for name in ("actor", "action", "tenant_id", "outcome"):
        if value := getattr(which, name):
            found = found.where(row[name] == value)
    if which.since is not None:
        found = found.where(row.at >= which.since)
    if which.until is not None:
        found = found.where(row.at < which.until)
    if before is not None:
        found = found.where(row.seq < before)
    return [AuditRow(*each) for each in await work.execute(found)]
