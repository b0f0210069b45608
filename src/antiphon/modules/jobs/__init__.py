"""Jobs and events as people see and steer them: lists, one job live, retry, cancel, replay; for admins and owners."""

from __future__ import annotations

from sqlalchemy import MetaData

from antiphon import (
    NAMES,
    Batches,
    Channels,
    Cursors,
    Events,
    Module,
    Queues,
    Schedules,
    ledger_metadata,
    outbox_metadata,
)
from antiphon.modules.jobs.channel import JobChanged, JobProgressed, job_topic
from antiphon.modules.jobs.views import JobView

__all__ = ["JobChanged", "JobProgressed", "JobView", "job_topic", "metadata", "module"]

metadata = MetaData(naming_convention=NAMES)
"""The tables that jobs stand on: the outbox and the ledger."""

for _part in (outbox_metadata, ledger_metadata):
    for _table in _part.tables.values():
        _table.to_metadata(metadata)

module = Module(__name__, needs=[Queues, Batches, Schedules, Events, Channels, Cursors])
