"""The chain of the audit log: how a row is hashed, how rows are added, and how the whole is walked."""

# Each row holds the hash of the row before. Both ends stand in `audit_end`: the first row that is kept with what stood
# before it, and the last one with its own hash.
#
#     row n        before_hash = H(row n-1)        H(row) = SHA-256 of before_hash and every column, as one JSON array;
#                                                  `times` is left out where it is 1
#     audit_end    seq, hash                       the last row, and H(last row)
#                  first_seq, first_hash           the first row that the purge has left, and what its before_hash is
#
#     what somebody does to the tables       and what a walk finds
#     changes a column of a row              the next row, or the end, does not fit
#     removes a row, adds one, swaps two     the numbers have a hole, or the next row does not fit
#     cuts off the last rows                 the end does not fit
#     cuts off the first rows                the beginning does not fit; only the purge moves it
#
# Whoever can write to both tables and knows this file can make a new chain. Against them `hash` of the end is kept
# elsewhere now and then: every walk gives it, and a later walk that begins there proves what stood before.
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

from antiphon.core.errors import InvalidInput
from antiphon.core.inputs.kinds import Struct
from antiphon.services.audit.tables import BEGINNING, audit_end, audit_log
from antiphon.services.database.inserting import insert_if_new
from antiphon.services.database.work import Work

PAGE = 1_000
"""The rows that a walk holds at once."""

THE_END = 1
"""The id of the one row of `audit_end`."""


class Entry(msgspec.Struct, frozen=True):
    """A row before it has its place. `times` counts what was too frequent for a row each."""

    at: datetime
    actor: str
    tenant_id: str | None
    action: str
    object: str
    outcome: str
    address: str
    request_id: str
    times: int = 1


class AuditChain(Struct):
    """What a walk over the audit log found: every row in its place, or the number of the first one that is not.

    `seq` and `hash` are those of the last row that was walked. Keep them elsewhere: a later log in which they do not
    fit was written anew. Where the walk is not `complete`, go on behind them.
    """

    intact: bool
    rows: int
    broken_at: int | None
    seq: int
    hash: str
    complete: bool


async def append(work: Work, entries: Sequence[Entry]) -> None:
    """Add rows at the end of the chain, and hold its end until the transaction is over."""
    end = await hold_end(work)
    seq, before = end.seq, end.hash
    for entry in entries:
        seq += 1
        await work.execute(insert(audit_log).values(seq=seq, before_hash=before, **msgspec.structs.asdict(entry)))
        before = digest(before, seq, entry)
    await work.execute(update(audit_end).where(audit_end.c.id == THE_END).values(seq=seq, hash=before))


async def hold_end(work: Work) -> Any:
    """Both ends of the chain, locked until the transaction is over."""
    end = select(audit_end).where(audit_end.c.id == THE_END).with_for_update()
    found = (await work.execute(end)).one_or_none()
    if found is None:
        first = {"id": THE_END, "seq": 0, "hash": BEGINNING, "first_seq": 1, "first_hash": BEGINNING}
        await work.execute(insert_if_new(work.engine, audit_end, "id"), first)
        found = (await work.execute(end)).one()
    return found


async def verify_audit(
    work: Work, *, after: int = 0, after_hash: str = "", most: int | None = None, page: int = PAGE
) -> AuditChain:
    """Walk the chain to its end, or over so many rows, a page in memory at a time.

    It begins with the first row that is left, or behind the row `after` whose hash is `after_hash`. Raises InvalidInput
    when the purge has left nothing that such a hash could be compared with.
    """
    end = await _ends(work)
    if end is not None and after_hash and after < end.first_seq - 1:
        raise InvalidInput.of("after", f"was purged, with its hash: the log begins with row {end.first_seq}")
    # Rows that are added during the walk are the next walk's: its end is the one that stood when it began.
    last = end.seq if end is not None else after
    seq, before, count = after, after_hash, 0
    if end is not None and not after_hash:
        seq, before = end.first_seq - 1, end.first_hash
    while seq < last and (most is None or count < most):
        size = page if most is None else min(page, most - count)
        found = select(audit_log).where(audit_log.c.seq > seq, audit_log.c.seq <= last)
        rows = (await work.execute(found.order_by(audit_log.c.seq).limit(size))).all()
        for row in rows:
            if row.seq != seq + 1 or row.before_hash != before:
                break
            count += 1
            seq, before = row.seq, digest(row.before_hash, row.seq, _entry(row))
        else:
            if rows:
                continue
        purged = await _ends(work)
        if purged is not None and purged.first_seq > seq + 1:
            # The purge was faster, and has gone over what was to be walked next.
            seq, before = purged.first_seq - 1, purged.first_hash
            continue
        return AuditChain(False, count, seq + 1, seq, before, True)
    complete = seq >= last
    intact = await _fits(work, end, seq, before) if complete else True
    return AuditChain(intact, count, None if intact else seq + 1, seq, before, complete)


def digest(before: str, seq: int, entry: Entry) -> str:
    """The hash of a row."""
    at = entry.at.astimezone(UTC).isoformat(timespec="microseconds")
    texts = (entry.actor, entry.tenant_id, entry.action, entry.object, entry.outcome, entry.address, entry.request_id)
    # The first logs knew no `times`, and their hashes go on to hold.
    times = () if entry.times == 1 else (entry.times,)
    return sha256(msgspec.json.encode((before, seq, at, *texts, *times))).hexdigest()


async def _ends(work: Work) -> Any:
    return (await work.execute(select(audit_end).where(audit_end.c.id == THE_END))).one_or_none()


async def _fits(work: Work, end: Any, seq: int, before: str) -> bool:
    """Whether the walk has come out where the chain ends, and nothing stands behind that."""
    if end is None:
        return not seq and await work.scalar(select(audit_log.c.seq).limit(1)) is None
    if (end.seq, end.hash) != (seq, before):
        return False
    beyond = await work.scalar(select(audit_log.c.seq).order_by(audit_log.c.seq.desc()).limit(1)) or 0
    now = await _ends(work)
    return now is not None and beyond <= now.seq


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(
        row.at, row.actor, row.tenant_id, row.action, row.object, row.outcome, row.address, row.request_id, row.times
    )
