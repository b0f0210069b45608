"""Removes the oldest rows of the audit log, and leaves a chain that can be walked."""

# Rows go from the beginning, without a hole: the first row that is young enough stays, and so does all behind it, even
# what a wrong clock has dated earlier. In one transaction, with the end of the chain locked:
#
#     audit_end    first_seq and first_hash move to the first row that stays
#     audit_log    the rows before it are deleted; the guard lets go of those only (see `guard`)
#     audit_log    a row is added that says how many went, and until which
#
# So many at a time, or a first purge after years would hold up everybody who writes.

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, text, update

from antiphon.core.audit import Said
from antiphon.core.context import Context
from antiphon.services.audit.chain import THE_END, append, hold_end
from antiphon.services.audit.entries import entry_of
from antiphon.services.audit.tables import audit_end, audit_log
from antiphon.services.database.database import Database
from antiphon.services.database.work import Work

AT_ONCE = 5_000
"""The rows of one transaction."""


async def purge_audit(ctx: Context, before: datetime, *, at_once: int = AT_ONCE) -> int:
    """Remove the rows that are older; gives how many went. Each step records itself.

    It ends with the call's time, and the next one goes on. On PostgreSQL the application has to own the table.
    """
    database, gone = ctx.get(Database), 0
    while ctx.time_left() > 0:
        async with database.transaction(write=True) as work:
            count = await _step(ctx, work, before, at_once)
        gone += count
        if count < at_once:
            break
    return gone


async def _step(ctx: Context, work: Work, before: datetime, at_once: int) -> int:
    end = await hold_end(work)
    stays = select(func.min(audit_log.c.seq)).where(audit_log.c.at >= before)
    first = min(await work.scalar(stays) or end.seq + 1, end.first_seq + at_once)
    count = first - end.first_seq
    if count <= 0:
        return 0
    first_hash = await work.scalar(select(audit_log.c.before_hash).where(audit_log.c.seq == first)) or end.hash
    moved = update(audit_end).where(audit_end.c.id == THE_END)
    await work.execute(moved.values(first_seq=first, first_hash=first_hash))
    await _delete(work, first)
    ctx.tell(Said(apart=True))
    await append(work, [entry_of(ctx, f"{count} rows, to {first - 1}", "purged")])
    return count


async def _delete(work: Work, first: int) -> None:
    """Delete what stands before. On PostgreSQL the right to do so lasts no longer than this transaction."""
    lent = work.engine == "postgresql" and not await work.scalar(_MAY_DELETE)
    anywhere: Any = work.unscoped("the audit log reaches beyond tenants") if lent else work
    if lent:
        await anywhere.execute(text("GRANT DELETE ON audit_log TO CURRENT_USER"))
    await work.execute(delete(audit_log).where(audit_log.c.seq < first))
    if lent:
        await anywhere.execute(text("REVOKE DELETE ON audit_log FROM CURRENT_USER"))


_MAY_DELETE = select(func.has_table_privilege("audit_log", "DELETE"))
