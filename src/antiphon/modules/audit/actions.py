"""What admins do with the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta
from msgspec.structs import astuple

from antiphon import (
    AuditChain,
    AuditFilter,
    AuditRow,
    AuditSettings,
    Context,
    Cursors,
    InvalidInput,
    Struct,
    Work,
    action,
    admin,
    allow,
    every,
    get,
    purge_audit,
    read_audit,
    timeout,
    verify_audit,
)

type Text = Annotated[str, Meta(max_length=256)]
type Moment = Annotated[datetime, Meta(tz=True)]


class AuditPage(Struct):
    """Rows of the audit log, the newest first. An empty cursor is the end."""

    rows: list[AuditRow]
    cursor: str


class Purged(Struct):
    """How many rows went."""

    rows_deleted: int


@action("audit:list", get("/v1/audit"), allow(admin))
async def list_log(
    ctx: Context,
    actor: Annotated[Text, Meta(description="the id of a user, system, anonymous or others")] = "",
    action: Text = "",
    tenant: Text = "",
    outcome: Text = "",
    since: Moment | None = None,
    until: Moment | None = None,
    cursor: Annotated[str, Meta(max_length=1_024)] = "",
    limit: Annotated[int, Meta(ge=1, le=100)] = 50,
) -> AuditPage:
    """List the audit log, the newest first: by actor, action, tenant and outcome, from `since` to before `until`."""
    which = AuditFilter(actor, action, tenant, outcome, since, until)
    bound, cursors = astuple(which), ctx.get(Cursors)
    place = cursors.read(cursor, *bound)
    rows = await read_audit(ctx.get(Work), which, before=int(place) if place else None, count=limit)
    return AuditPage(rows, cursors.sign(str(rows[-1].seq), *bound) if len(rows) == limit else "")


@action("audit:verify", get("/v1/audit/verify"), allow(admin), timeout("5m"))
async def verify_log(
    ctx: Context,
    after: Annotated[int, Meta(ge=0, description="the number of the last row that was walked before")] = 0,
    hash: Annotated[str, Meta(pattern="^([0-9a-f]{64})?$", description="the hash of that row")] = "",
    rows: Annotated[int, Meta(ge=1, le=1_000_000, description="how many are walked at most")] = 1_000_000,
) -> AuditChain:
    """Walk the audit log: every row has the hash of the row before, so a row that was changed or removed is found.

    Keep `seq` and `hash` of the answer elsewhere, and begin the next walk with them: so it is known later that the log
    was not written anew. A log that is longer than one walk is walked in several.
    """
    if bool(after) != bool(hash):
        raise InvalidInput.of("hash", "is given together with `after`: both are in the answer of the walk before")
    return await verify_audit(ctx.get(Work), after=after, after_hash=hash, most=rows)


@action("audit:purge", every("24h"), allow(admin), timeout("5m"))
async def purge_log(ctx: Context) -> Purged:
    """Remove the rows that are older than `audit.keep_time`, 400 days by default, and record that."""
    return Purged(await purge_audit(ctx, ctx.now - ctx.get(AuditSettings).keep_time))
