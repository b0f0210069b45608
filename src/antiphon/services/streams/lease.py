"""A lease on a row of the database: one process at a time does what only one may do, and another when it has died."""

# No clock of day is compared with another: a node's may be a day off, and the database's may be set. The holder raises
# `beat` while it is at work. Whoever else wants the lease looks at the row and measures by its own monotonic clock for
# how long nothing in it has changed.
#
#   the row says                      then
#   nobody holds it                   take it
#   we hold it                        go on; `beat` + 1 when a third of the time is over
#   another does, and beats           not ours; measure anew
#   another has not for `seconds`     take it, if the row is still the same
#
# Each of these is one UPDATE with the old row in its condition. The holder trusts a beat for less time than the others
# measure, so that two never trust theirs at once, unless one of them is paused right after it has looked. So what is
# done under the lease must do no harm when it is done twice.

from __future__ import annotations

from sqlalchemy import and_, or_, select, update

from antiphon.core.clock import Clock
from antiphon.services.database import Database
from antiphon.services.database.inserting import insert_if_new
from antiphon.services.streams.tables import outbox_lease

NAME = "outbox"

_TRUSTED = 0.8
_ROW = outbox_lease.c.name == NAME


class Lease:
    """The lease on sending what is in the outbox. Methods raise DatabaseAway."""

    def __init__(self, database: Database, holder: str, seconds: float, clock: Clock) -> None:
        self.holder = holder
        self._database = database
        self._seconds = seconds
        self._clock = clock
        self._trusted_until = float("-inf")
        self._renew_at = float("-inf")
        self._other: tuple[str, int] = ("", -1)
        self._unchanged_since = 0.0

    @property
    def held(self) -> bool:
        """Whether nobody else can have it yet."""
        return self._clock.monotonic() < self._trusted_until

    async def hold(self) -> bool:
        """Take the lease or keep it; False while another process is at work."""
        now = self._clock.monotonic()
        if now < self._renew_at:
            return True
        if not self.held and not await self._may_take(now):
            return False
        free = or_(
            outbox_lease.c.holder.in_((self.holder, "")),
            and_(outbox_lease.c.holder == self._other[0], outbox_lease.c.beat == self._other[1]),
        )
        taking = update(outbox_lease).where(_ROW, free).values(holder=self.holder, beat=outbox_lease.c.beat + 1)
        async with self._database.transaction(write=True) as work:
            taken = (await work.execute(taking)).rowcount == 1
        self._trusted_until = now + self._seconds * _TRUSTED if taken else float("-inf")
        self._renew_at = now + self._seconds / 3 if taken else float("-inf")
        return taken

    async def release(self) -> None:
        """Let another process have it at once."""
        self._trusted_until = self._renew_at = float("-inf")
        async with self._database.transaction(write=True) as work:
            await work.execute(update(outbox_lease).where(_ROW, outbox_lease.c.holder == self.holder).values(holder=""))

    async def _may_take(self, now: float) -> bool:
        async with self._database.transaction() as work:
            row = (await work.execute(select(outbox_lease.c.holder, outbox_lease.c.beat).where(_ROW))).one_or_none()
        if row is None:
            await self._make_row()
            return True
        if row.holder in ("", self.holder):
            return True
        if (row.holder, row.beat) != self._other:
            self._other, self._unchanged_since = (row.holder, row.beat), now
        return now - self._unchanged_since >= self._seconds

    async def _make_row(self) -> None:
        async with self._database.transaction(write=True) as work:
            await work.execute(insert_if_new(work.engine, outbox_lease, "name"), {"name": NAME})


async def swap_mark(database: Database, mark: str) -> str | None:
    """Write down the mark of the store; gives the one that it replaces, or None when it is no other.

    Of several processes that find the same new mark, one is given the old one.
    """
    async with database.transaction() as work:
        old = await work.scalar(select(outbox_lease.c.store_mark).where(_ROW))
    if old == mark:
        return None
    async with database.transaction(write=True) as work:
        await work.execute(insert_if_new(work.engine, outbox_lease, "name"), {"name": NAME})
        swapping = update(outbox_lease).where(_ROW, outbox_lease.c.store_mark == (old or "")).values(store_mark=mark)
        swapped = (await work.execute(swapping)).rowcount == 1
    return old or "" if swapped else None
