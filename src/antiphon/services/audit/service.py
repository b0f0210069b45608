"""The record of a call: kept in the audit log where the application has its tables, else said in the log."""

from __future__ import annotations

from antiphon.core.audit import Audit
from antiphon.core.context import Context
from antiphon.core.service import scoped
from antiphon.services.audit.chain import Entry, append
from antiphon.services.audit.tables import WIDTHS, audit_metadata
from antiphon.services.database.database import Database
from antiphon.services.database.schema import Schema
from antiphon.services.database.work import Work


class KeptAudit(Audit):
    """Rows in the audit log."""

    def __init__(self, ctx: Context, database: Database) -> None:
        self._ctx = ctx
        self._database = database
        # Its end comes before whatever is written apart: on SQLite the two would wait for each other.
        self._work = ctx.get(Work)

    def record(self, about: str = "", *, outcome: str = "done", actor: str = "", tenant_id: str = "") -> None:
        entry = entry_of(self._ctx, about, outcome, actor, tenant_id)
        if self._work.write:
            self._work.before_commit(append, entry)
        else:
            self._at_end(entry)

    def record_apart(self, about: str = "", *, outcome: str, actor: str = "", tenant_id: str = "") -> None:
        self._at_end(entry_of(self._ctx, about, outcome, actor, tenant_id))

    def _at_end(self, entry: Entry) -> None:
        async def write(_error: BaseException | None) -> None:
            if entry in waiting:
                waiting.remove(entry)  # a stream comes here before each item
                async with self._database.transaction(write=True) as work:
                    await append(work, [entry])

        waiting = [entry]
        self._ctx.outermost.at_end(write)


class SaidAudit(Audit):
    """Lines of the log, for an application without the tables."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def record(self, about: str = "", *, outcome: str = "done", actor: str = "", tenant_id: str = "") -> None:
        entry = entry_of(self._ctx, about, outcome, actor, tenant_id)
        self._ctx.log.info("audit", actor=entry.actor, object=entry.object, outcome=entry.outcome)

    def record_apart(self, about: str = "", *, outcome: str, actor: str = "", tenant_id: str = "") -> None:
        self.record(about, outcome=outcome, actor=actor, tenant_id=tenant_id)


@scoped
def audit(ctx: Context, database: Database | None, schema: Schema | None) -> Audit:
    """The record of this call. The tables are `audit_metadata`; without them it is said in the log."""
    kept = schema is not None and all(table in schema.metadata.tables for table in audit_metadata.tables)
    return KeptAudit(ctx, database) if database is not None and kept else SaidAudit(ctx)


def entry_of(ctx: Context, about: str, outcome: str, actor: str, tenant_id: str) -> Entry:
    """The row for this call, with every text as long as its column and without what PostgreSQL takes no text with."""
    caller = ctx.caller
    tenant = tenant_id or caller.tenant_id
    return Entry(
        at=ctx.now,
        actor=_fitted("actor", actor or caller.id or caller.kind),
        tenant_id=_fitted("tenant_id", tenant) if tenant else None,
        action=_fitted("action", ctx.action_name),
        object=_fitted("object", about),
        outcome=_fitted("outcome", outcome),
        address=_fitted("address", ctx.connection.identifier),
        request_id=_fitted("request_id", ctx.request_id),
    )


def _fitted(column: str, text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown[: WIDTHS[column]]
