"""What a row says of a call, made to fit its columns."""

from __future__ import annotations

from datetime import datetime

from antiphon.core.context import Context
from antiphon.services.audit.chain import Entry
from antiphon.services.audit.tables import WIDTHS


def entry_of(ctx: Context, about: str, outcome: str, actor: str = "", tenant_id: str = "") -> Entry:
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


def entry_of_many(at: datetime, actor: str, action: str, about: str, outcome: str) -> Entry:
    """A row that stands for calls of more than one caller."""
    return Entry(at, actor, None, action, _fitted("object", about), outcome, "", "")


def _fitted(column: str, text: str) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown[: WIDTHS[column]]
