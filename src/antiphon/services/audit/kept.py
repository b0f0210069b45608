"""The record that an action writes itself: rows in its own transaction or apart from it, or lines of the log."""

from __future__ import annotations

from antiphon.core.audit import Audit, Said
from antiphon.core.context import Context
from antiphon.services.audit.chain import Entry, append
from antiphon.services.audit.entries import entry_of
from antiphon.services.database.database import Database
from antiphon.services.database.work import Work


class KeptAudit(Audit):
    """Rows in the audit log."""

    def __init__(self, ctx: Context, database: Database) -> None:
        self._ctx = ctx
        self._database = database
        # Its end comes before whatever is written apart: on SQLite the two would wait for each other.
        self._work = ctx.get(Work)

    def record(self, about: str = "", *, outcome: str = "done", actor: str = "", tenant_id: str = "") -> None:
        self._ctx.tell(Said(apart=False))
        self.keep(entry_of(self._ctx, about, outcome, actor, tenant_id))

    def record_apart(self, about: str = "", *, outcome: str, actor: str = "", tenant_id: str = "") -> None:
        self._ctx.tell(Said(apart=True))
        self._at_end(entry_of(self._ctx, about, outcome, actor, tenant_id))

    def keep(self, entry: Entry) -> None:
        """Write this row within the call's transaction, or when the call has ended if it only reads."""
        if self._work.write:
            self._work.before_commit(append, entry)
        else:
            self._at_end(entry)

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
