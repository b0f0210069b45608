"""Losses in the database, where they outlive the process that has seen them: written, read and forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, delete, select, text

from antiphon.core.clock import Clock
from antiphon.services.channels.messages import TopicKeys
from antiphon.services.channels.tables import channel_losses, channels_metadata
from antiphon.services.database.columns import UtcDateTime
from antiphon.services.database.database import Database
from antiphon.services.database.schema import Schema

# Both engines have the same words for it, and SQLAlchemy's differ.
_KEEP = text(
    "INSERT INTO channel_losses (topic, epoch, head_life, lost_at) VALUES (:topic, :epoch, :head_life, :lost_at) "
    "ON CONFLICT (topic) DO UPDATE SET epoch = excluded.epoch, head_life = excluded.head_life, "
    "lost_at = excluded.lost_at"
).bindparams(bindparam("lost_at", type_=UtcDateTime()))
_WHY = "the loss of an event is no tenant's: any process tells the watchers"

_COLUMNS = channel_losses.c
_READ = select(_COLUMNS.topic, _COLUMNS.epoch, _COLUMNS.head_life).order_by(_COLUMNS.topic)
_FORGET = delete(channel_losses).where(
    _COLUMNS.topic == bindparam("its_topic"), _COLUMNS.epoch == bindparam("its_epoch")
)


class Loss(NamedTuple):
    """A topic of which an event was lost. Its log begins anew under `epoch`; its head lives `head_life` milliseconds.

    Each loss has an epoch of its own, so that telling it twice is telling it once.
    """

    keys: TopicKeys
    epoch: str
    head_life: int


class KeptLosses:
    """One row for each topic, that of its newest loss. Every method raises what a Database does."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def keep(self, losses: Sequence[Loss]) -> None:
        """Write losses; an older one of the same topic gives way."""
        now = self._clock.now()
        # In one order everywhere, or two processes that lose the same topics could wait for each other.
        rows = [
            {"topic": loss.keys.name, "epoch": loss.epoch, "head_life": loss.head_life, "lost_at": now}
            for loss in sorted(losses)
        ]
        async with self._database.transaction(write=True) as work:
            await work.unscoped(_WHY).execute(_KEEP, rows)

    async def read(self, count: int, *, after: str = "") -> list[Loss]:
        """The losses of every process, `count` of them at most: the first ones behind this topic."""
        async with self._database.transaction() as work:
            rows = await work.execute(_READ.where(_COLUMNS.topic > after).limit(count))
        return [Loss(TopicKeys(row.topic), row.epoch, row.head_life) for row in rows]

    async def forget(self, losses: Sequence[Loss]) -> None:
        """Delete the rows of losses that were told; one that has a newer loss stays."""
        told = [{"its_topic": loss.keys.name, "its_epoch": loss.epoch} for loss in sorted(losses)]
        async with self._database.transaction(write=True) as work:
            await work.execute(_FORGET, told)


def kept_losses(database: Database | None, schema: Schema | None, clock: Clock) -> KeptLosses | None:
    """Where this application keeps losses; None without a database or without the table."""
    has_table = schema is not None and schema.has(channels_metadata)
    return KeptLosses(database, clock) if database is not None and has_table else None
