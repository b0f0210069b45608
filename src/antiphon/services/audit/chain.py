"""The chain of the audit log: how a row is hashed, how rows are added, and how the whole is walked."""

# Each row holds the hash of the row before; the hash of the last one stands in `audit_end`.
#
#     row n     before_hash = H(row n-1)        H(row) = SHA-256 of before_hash and every column, as one JSON array
#     audit_end seq, hash = H(last row)
#
#     what somebody does to the tables       and what a walk finds
#     changes a column of a row              the next row, or the end, does not fit
#     removes a row, adds one, swaps two     the numbers have a hole, or the next row does not fit
#     cuts off the last rows                 the end does not fit
#     cuts off the first rows                nothing: old rows are purged, so the first row that is left begins the walk
#
# Whoever can write to both tables and knows this file can make a new chain. Against them `hash` of the end is kept
# elsewhere now and then: every walk gives it, and a later walk that passes it proves what stood before.
#
# The row of `audit_end` is locked from the first reading to the COMMIT, so that rows have one order. It is done as the
# last thing before a COMMIT, so nobody waits for more than that.

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update

from antiphon.core.inputs.kinds import Struct
from antiphon.services.audit.tables import audit_end, audit_log
from antiphon.services.database.inserting import insert_if_new
from antiphon.services.database.work import Work

BEGINNING = "0" * 64
"""What stands before the first row of all."""

_THE_END = 1


class Entry(msgspec.Struct, frozen=True):
    """A row before it has its place."""

    at: datetime
    actor: str
    tenant_id: str | None
    action: str
    object: str
    outcome: str
    address: str
    request_id: str


class AuditChain(Struct):
    """What a walk over the audit log found: every row in its place, or the number of the first one that is not.

    `hash` is that of the last row. Keep it elsewhere: a later log without it was written anew.
    """

    intact: bool
    rows: int
    broken_at: int | None
    hash: str


async def append(work: Work, entries: Sequence[Entry]) -> None:
    """Add rows at the end of the chain, and hold its end until the transaction is over."""
    end = select(audit_end.c.seq, audit_end.c.hash).where(audit_end.c.id == _THE_END).with_for_update()
    found = (await work.execute(end)).one_or_none()
    if found is None:
        first = {"id": _THE_END, "seq": 0, "hash": BEGINNING}
        await work.execute(insert_if_new(work.engine, audit_end, "id"), first)
        found = (await work.execute(end)).one()
    seq, before = found.seq, found.hash
    for entry in entries:
        seq += 1
        await work.execute(insert(audit_log).values(seq=seq, before_hash=before, **msgspec.structs.asdict(entry)))
        before = digest(before, seq, entry)
    await work.execute(update(audit_end).where(audit_end.c.id == _THE_END).values(seq=seq, hash=before))


async def verify_audit(work: Work, *, page: int = 500) -> AuditChain:
    """Walk the chain from the first row that is left to its end, so many rows at a time."""
    seq: int | None = None
    before, count = "", 0
    while True:
        next_rows = select(audit_log).order_by(audit_log.c.seq).limit(page)
        rows = (await work.execute(next_rows if seq is None else next_rows.where(audit_log.c.seq > seq))).all()
        for row in rows:
            if seq is not None and (row.seq != seq + 1 or row.before_hash != before):
                return AuditChain(False, count, row.seq, before)
            count += 1
            seq, before = row.seq, digest(row.before_hash, row.seq, _entry(row))
        if len(rows) < page:
            break
    end = (await work.execute(select(audit_end.c.seq, audit_end.c.hash))).one_or_none()
    fits = end is None if seq is None else end is not None and (end.seq, end.hash) == (seq, before)
    if seq is None and end is not None:
        fits = end.seq == 0
    return AuditChain(fits, count, None if fits else (seq or 0) + 1, before)


def digest(before: str, seq: int, entry: Entry) -> str:
    """The hash of a row."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    texts = (entry.actor, entry.tenant_id, entry.action, entry.object, entry.outcome, entry.address, entry.request_id)
    return sha256(msgspec.json.encode((before, seq, at, *texts))).hexdigest()


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(row.at, row.actor, row.tenant_id, row.action, row.object, row.outcome, row.address, row.request_id)
