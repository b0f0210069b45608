"""The statements on the table of the outbox, the same words for both engines where they have the same."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ARRAY, BigInteger, Executable, String, bindparam, func, select, text, update

from antiphon.services.database import Work
from antiphon.services.database.inserting import insert_if_new
from antiphon.services.streams.tables import ASIDE, outbox


class Row(NamedTuple):
    """One message in the outbox, as it is given to whoever sends it. `key` is the one whose messages keep order."""

    seq: int
    id: str
    target: str
    key: str
    message: bytes


class Depth(NamedTuple):
    """How many rows wait, since when the oldest does, and how many are set aside."""

    rows: int
    oldest_at: datetime | None
    aside: int


EMPTY = Depth(0, None, 0)

_READ = (
    "SELECT seq, id, target, key, message FROM outbox WHERE seq {sent} AND target {waiting} AND target NOT LIKE :aside "
    "ORDER BY seq LIMIT :count"
)
_IN = "IN (SELECT value FROM json_each(:{name}))"  # SQLite has no lists as parameters

_WHY = "the rows of every tenant are sent by whoever drains the outbox"
_SENT = bindparam("sent", type_=ARRAY(BigInteger))
_READING = {
    "sqlite": text(_READ.format(sent="NOT " + _IN.format(name="sent"), waiting="NOT " + _IN.format(name="waiting"))),
    "postgresql": text(_READ.format(sent="<> ALL (:sent)", waiting="<> ALL (:waiting)")).bindparams(
        _SENT, bindparam("waiting", type_=ARRAY(String))
    ),
}
_DELETING: Mapping[str, Executable] = {
    "sqlite": text("DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(:sent))"),
    "postgresql": text("DELETE FROM outbox WHERE seq = ANY (:sent)").bindparams(_SENT),
}


async def write_rows(work: Work, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows, in their order; an id that is there already stands for the same message."""
    await work.execute(insert_if_new(work.engine, outbox, "id"), rows)


async def read_rows(work: Work, *, sent: Collection[int], waiting: Collection[str], count: int) -> list[Row]:
    """The next rows in the order of `seq`: not those that were `sent`, and none of the targets that are `waiting`."""
    given = {"sent": _list(work, sent), "waiting": _list(work, waiting), "aside": f"{ASIDE}%", "count": count}
    found = (await work.unscoped(_WHY).execute(_READING[work.engine], given)).all()
    return [Row(*row) for row in found]


async def delete_rows(work: Work, sent: Collection[int]) -> None:
    """Forget rows that need not be sent again."""
    await work.unscoped(_WHY).execute(_DELETING[work.engine], {"sent": _list(work, sent)})


async def set_aside(work: Work, row: Row) -> None:
    """Keep a row, and send it no more."""
    await work.execute(update(outbox).where(outbox.c.seq == row.seq).values(target=f"{ASIDE}{row.target}"))


async def measure(work: Work) -> Depth:
    """How much is in the outbox."""
    waits = outbox.c.target.not_like(f"{ASIDE}%")
    waiting = func.count().filter(waits)
    oldest = func.min(outbox.c.created_at).filter(waits)
    found = (await work.execute(select(waiting, oldest, func.count()).select_from(outbox))).one()
    return Depth(found[0], found[1], found[2] - found[0])


def _list(work: Work, values: Collection[Any]) -> object:
    return list(values) if work.engine == "postgresql" else msgspec.json.encode(list(values)).decode()
