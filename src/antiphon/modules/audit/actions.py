"""What admins do with the audit log."""

from __future__ import annotations

from antiphon import AuditChain, Context, Work, action, admin, allow, get, timeout, verify_audit


@action("audit:verify", get("/v1/audit/verify"), allow(admin), timeout("5m"))
async def verify_log(ctx: Context) -> AuditChain:
    """Walk the audit log: every row has the hash of the row before, so a row that was changed or removed is found.

    The answer has the hash of the last row. Keep it elsewhere, to know later that the log was not written anew.
    """
    return await verify_audit(ctx.get(Work))
