"""Sends what is in the outbox, in order, and forgets it when the store has it on its disk."""

# Two loops in every process:
#
#   loop       a round
#   send       reads the next rows; takes the lease or goes on holding it; gives each target its rows, all at once
#   confirm    asks the store for a receipt; deletes the rows that were sent before it; measures what is left
#
#   a row …                                       is then
#   was sent                                      in `_sent`: not read again, deleted with the next receipt
#   was sent, and the store is another one since  read and sent again: a repeat is one by its id
#   found its target full or away                 read again when the target's wait is over, with all that follow it
#   can never be sent                             set aside in the table, and logged
#
# Waiting for the disk is what takes longest, up to a second. So sending does not wait for it: a job runs at once, and
# its row outlives it for a moment. Rows that were sent are told from others by their number, not by a last one: a
# transaction that commits late has a lower number than one before it.

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from antiphon.core.clock import Clock
from antiphon.core.errors import CallError, TimedOut, TooManyCalls, Unavailable
from antiphon.core.log import Logger
from antiphon.services.database import Database
from antiphon.services.streams.lease import Lease, swap_mark
from antiphon.services.streams.outbox_settings import OutboxSettings
from antiphon.services.streams.receipts import Receipt, Receipts
from antiphon.services.streams.rows import EMPTY, Depth, Row, delete_rows, measure, read_rows, set_aside

type Send = Callable[[Sequence[Row]], Awaitable[None]]
"""Sends messages in their order; one that was sent before, by its id, changes nothing.

Raises Unavailable for what passes: everything is tried again, in the same order. Unsendable, and every CallError that
does not pass by itself, mean for a single row that it can never be sent.
"""

_FIRST_WAIT, _MOST_WAIT = 0.1, 2.0
_UNKNOWN_WAIT = 5.0
_GATHER_SECONDS = 0.05
_DELETED_AT_ONCE = 1_000


class Unsendable(Exception):
    """Nobody will ever be able to send this message."""


class Wait(NamedTuple):
    """Until when a target is left alone, how long that was, and since when it takes nothing."""

    until: float
    seconds: float
    since: float


@dataclass(slots=True)
class Counts:
    """What has been counted, for the metrics."""

    sent: int = 0
    set_aside: int = 0
    losses: int = 0
    receipts: int = 0
    depth: Depth = EMPTY


class Drain:
    """Sends for as long as it holds the lease. `send_round` and `confirm_round` give the seconds until the next."""

    def __init__(
        self, database: Database, receipts: Receipts, lease: Lease, settings: OutboxSettings, clock: Clock, log: Logger
    ) -> None:
        self.targets: dict[str, Send] = {}
        self.counts = Counts()
        self.lease = lease
        self.ring: Callable[[], None] = lambda: None
        self.on_sent: Callable[[], None] = lambda: None
        self.on_room: Callable[[], None] = lambda: None
        self.is_wanted = False
        self._database = database
        self._receipts = receipts
        self._settings = settings
        self._clock = clock
        self._log = log
        self._sent: set[int] = set()
        self._waits: dict[str, Wait] = {}
        self._store: Receipt | None = None

    # Sending

    async def send_round(self) -> float | None:
        """Send what is there. Raises DatabaseAway; a store that is away is the targets' matter."""
        look = self._settings.look_time.total_seconds()
        wanted, self.is_wanted = self.is_wanted, False
        if len(self._sent) >= self._settings.unconfirmed:
            return look
        rows = await self._read()
        if not rows:
            return self._next_try(look)
        if self._must_yield():
            await self._yield()
        if not await self.lease.hold():
            if wanted:
                self.ring()
            return look
        if self._store is None:
            # What is sent before the store is known could not be told from what another store was sent.
            await self._compare(await self._receipts.look())
        await self._send_all(rows)
        return None if len(rows) == self._settings.batch or self.is_wanted else self._next_try(look)

    async def _read(self) -> list[Row]:
        now = self._clock.monotonic()
        waiting = [target for target, wait in self._waits.items() if wait.until > now]
        async with self._database.transaction() as work:
            return await read_rows(work, sent=self._sent, waiting=waiting, count=self._settings.batch)

    async def _send_all(self, rows: Sequence[Row]) -> None:
        target_of = attrgetter("target")
        # A stable sort: within a target the order stays that of the rows.
        groups = [(target, [*group]) for target, group in groupby(sorted(rows, key=target_of), target_of)]
        await asyncio.gather(*(self._send(target, group) for target, group in groups))

    async def _send(self, target: str, rows: list[Row]) -> None:
        send = self.targets.get(target.partition(":")[0])
        if send is None:
            # Another release may know it; this one must not decide that nobody does.
            self._postpone(target, Unavailable("Nobody here sends this.", retry_after=_UNKNOWN_WAIT))
            return
        try:
            await send(rows)
        except (Unavailable, TimedOut, TooManyCalls) as error:
            self._postpone(target, error)
        except (CallError, Unsendable) as error:
            await self._single_out(target, rows, error)
        except Exception as error:  # noqa: BLE001  # a defect of ours must neither lose a message nor stop the others
            self._log.error("outbox.send_failed", error=error, target=target)
            self._postpone(target, error)
        else:
            self._sent.update(row.seq for row in rows)
            self.counts.sent += len(rows)
            if self._waits.pop(target, None) is not None:
                self._log.info("outbox.target_back", target=target)
            self.on_sent()

    async def _single_out(self, target: str, rows: list[Row], error: Exception) -> None:
        """Find the row that can never be sent: each by itself, until the target has to wait."""
        if len(rows) > 1:
            for row in rows:
                if target in self._waits and self._waits[target].until > self._clock.monotonic():
                    return
                await self._send(target, [row])
            return
        async with self._database.transaction(write=True) as work:
            await set_aside(work, rows[0])
        self.counts.set_aside += 1
        self._log.error("outbox.set_aside", error=error, target=target, id=rows[0].id, seq=rows[0].seq)

    # Waiting

    def _postpone(self, target: str, error: Exception) -> None:
        now, last = self._clock.monotonic(), self._waits.get(target)
        if last is None:
            self._log.warning("outbox.target_waits", target=target, reason=str(error) or type(error).__name__)
        seconds = _FIRST_WAIT if last is None else min(_MOST_WAIT, last.seconds * 2)
        if isinstance(error, Unavailable) and error.retry_after > _MOST_WAIT:
            seconds = _UNKNOWN_WAIT
        self._waits[target] = Wait(now + seconds, seconds, now if last is None else last.since)

    def _next_try(self, look: float) -> float:
        now = self._clock.monotonic()
        return min([look, *(max(0.01, wait.until - now) for wait in self._waits.values())])

    def _must_yield(self) -> bool:
        """Whether nothing could be sent for as long as a lease lasts: another process may see the store."""
        long_ago = self._clock.monotonic() - self._settings.lease_time.total_seconds()
        return bool(self._waits) and self.lease.held and all(wait.since < long_ago for wait in self._waits.values())

    async def _yield(self) -> None:
        now = self._clock.monotonic()
        await self.lease.release()
        # Waiting counts anew, and the others look within this time.
        self._waits = {target: Wait(now + _MOST_WAIT, wait.seconds, now) for target, wait in self._waits.items()}

    # Confirming

    async def confirm_round(self) -> float:
        """Delete what is safe. Raises Unavailable, also when the database is away."""
        sent = set(self._sent)
        receipt = await self._receipts.ask()
        await self._compare(receipt)
        self.counts.receipts += 1
        if sent and receipt.is_safe:
            await self._forget(sorted(sent & self._sent))
        async with self._database.transaction() as work:
            self.counts.depth = await measure(work)
        return _GATHER_SECONDS if self._sent else self._settings.check_time.total_seconds()

    async def _compare(self, receipt: Receipt) -> None:
        before = self._store
        if before is None or before.mark != receipt.mark:
            replaced = await swap_mark(self._database, receipt.mark)
            if replaced:
                self.counts.losses += 1
                await self._receipts.tell_emptied(self._log)
        self._store = receipt
        if before is not None and (before.run, before.mark) != (receipt.run, receipt.mark) and self._sent:
            # It may have gone down with what it had not yet written to its disk.
            self._sent.clear()
            self.on_room()

    async def _forget(self, sent: Sequence[int]) -> None:
        was_full = len(self._sent) >= self._settings.unconfirmed
        for start in range(0, len(sent), _DELETED_AT_ONCE):
            some = sent[start : start + _DELETED_AT_ONCE]
            async with self._database.transaction(write=True) as work:
                await delete_rows(work, some)
            self._sent.difference_update(some)
        if was_full:
            self.on_room()

    # The end

    async def finish(self) -> None:
        """Send and confirm what can be sent now, then let another process have the lease."""
        while rows := await self._read():
            if not await self.lease.hold():
                self.ring()
                break
            if self._store is None:
                await self._compare(await self._receipts.look())
            await self._send_all(rows)
        if self._sent:
            await self.confirm_round()
        if self.lease.held:
            await self.lease.release()

    @property
    def has_work(self) -> bool:
        """Whether there is something that should be done before the process ends."""
        return self.is_wanted or bool(self._sent) or self.lease.held
