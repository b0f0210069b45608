"""The outbox: messages that a transaction leaves beside its data, and that are sent once it has committed."""

#   step      where                              when it fails
#   add       in the call: the message is kept   the call's own error; a rollback forgets it
#   write     the last statement before COMMIT   the commit fails, and nothing was done
#   send      the drain, after the commit        it is tried again until the store takes it; a repeat is one by its id

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from prometheus_client.registry import Collector
from sqlalchemy import select

from antiphon.core.clock import Clock, Ids
from antiphon.core.context import Context
from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background, service
from antiphon.services.database import Database, Schema, Work
from antiphon.services.streams.drain import Counts, Drain, Send, Unsendable
from antiphon.services.streams.lease import Lease
from antiphon.services.streams.message import JobMessage, Undecodable, UnknownVersion, decode_job
from antiphon.services.streams.outbox_metrics import OutboxCollector
from antiphon.services.streams.outbox_settings import OutboxSettings
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.receipts import Receipts
from antiphon.services.streams.rows import Row, write_rows
from antiphon.services.streams.supervisor import Supervisor
from antiphon.services.streams.tables import outbox as outbox_table
from antiphon.services.streams.tables import outbox_metadata

__all__ = ["Outbox", "Row", "Send", "Unsendable"]

SEND, CONFIRM = "outbox", "outbox.confirm"
"""The names of the two loops."""

CHANNEL = "antiphon_outbox"
"""What processes on PostgreSQL tell each other on when there is something to send."""


class Outbox(Background):
    """What `later` and `publish` write to while a transaction is open."""

    def __init__(
        self, drain: Drain, supervisor: Supervisor, database: Database, settings: OutboxSettings, clock: Clock
    ) -> None:
        self._drain = drain
        self._supervisor = supervisor
        self._database = database
        self._settings = settings
        self._clock = clock
        self._notices = database.notices(CHANNEL, self._wake)
        drain.on_sent = self._wake_confirming
        drain.on_room = self._wake
        if self._notices is not None:
            drain.ring = self._notices.ring

    def open_in(self, ctx: Context) -> bool:
        """Whether this call has a writing transaction open, so that its messages have to wait for the commit."""
        return not ctx.safe and ctx.get(Work).has_transaction

    async def add(self, ctx: Context, target: str, key: str, id: str, message: bytes) -> None:
        """Keep a message with the call's transaction; ask `open_in` before.

        `target` is `<kind>:<lane>`: the kind is one that `deliver` has named, such as "jobs" or "events"; the lane is
        the queue or stream, and a full one holds up nobody else. `key` is for people who look at the table. A message
        whose id is there already is not kept twice.
        """
        work = ctx.get(Work)
        row = {"id": id, "target": target, "key": key, "message": message, "created_at": ctx.now}
        work.before_commit(write_rows, row)
        work.after_commit(self._committed)

    async def waiting_job(self, job_id: str) -> JobMessage | None:
        """The job with this id, while it waits here for its turn to be sent; None when it does not.

        It looks outside of the call's transaction, which on SQLite would keep the drain from sending.
        """
        async with self._database.transaction() as work:
            found = await work.scalar(select(outbox_table.c.message).where(outbox_table.c.id == job_id))
        try:
            return None if found is None else decode_job(found)
        except (Undecodable, UnknownVersion):
            return None

    def deliver(self, kind: str, send: Send) -> None:
        """Say who sends the messages of a kind: `outbox.deliver("events", send)`, before calls arrive."""
        self._drain.targets[kind] = send

    @property
    def counts(self) -> Counts:
        """What was sent, set aside and lost by this process, and what is in the table."""
        return self._drain.counts

    def collectors(self) -> Sequence[Collector]:
        """What whoever shows metrics has to register."""
        return (OutboxCollector(self._drain.counts, self._clock),)

    async def begin(self, runtime: Runtime) -> None:
        """Begin to send."""
        if self._notices is not None:
            self._notices.begin()
        self._supervisor.keep(SEND, self._drain.send_round, vital=False)
        self._supervisor.keep(CONFIRM, self._drain.confirm_round, vital=False)

    async def close(self, log: Logger) -> None:
        """Stop, after a last pass that takes a bounded time; what it leaves is sent by another process, or later."""
        await self._supervisor.end(SEND, CONFIRM)
        try:
            if self._drain.has_work:
                async with asyncio.timeout(self._settings.close_time.total_seconds()):
                    await self._drain.finish()
        except Exception as error:  # noqa: BLE001  # nothing is lost by it
            log.warning("outbox.left", reason=str(error) or type(error).__name__)
        finally:
            if self._notices is not None:
                await self._notices.close()

    async def _committed(self) -> None:
        self._drain.is_wanted = True
        self._wake()

    def _wake(self) -> None:
        self._supervisor.wake(SEND)

    def _wake_confirming(self) -> None:
        self._supervisor.wake(CONFIRM)


def _sender_to(queues: Queues) -> Send:
    async def send(rows: Sequence[Row]) -> None:
        try:
            messages = [decode_job(row.message) for row in rows]
        except Undecodable as error:
            raise Unsendable(str(error)) from error
        except UnknownVersion:
            raise Unavailable("A newer release wrote this job, and sends it.") from None
        await queues.enqueue(messages)

    return send


@service
async def outbox(
    settings: OutboxSettings,
    schema: Schema,
    database: Database,
    queues: Queues,
    supervisor: Supervisor,
    clock: Clock,
    ids: Ids,
    log: Logger,
) -> AsyncIterator[Outbox]:
    """Sends jobs and events after the commit of the transaction that they belong to."""
    schema.require(outbox_metadata, "outbox_metadata", "The outbox, which sends jobs and events after a commit,")
    store, streams = queues.store, queues.settings
    receipts = Receipts(store, ids, wait=settings.confirm_time.total_seconds(), replicas=streams.replicas)
    lease = Lease(database, ids.uuid7(), settings.lease_time.total_seconds(), clock)
    opened = Outbox(Drain(database, receipts, lease, settings, clock, log), supervisor, database, settings, clock)
    opened.deliver("jobs", _sender_to(queues))
    try:
        yield opened
    finally:
        await opened.close(log)
        await receipts.close()
