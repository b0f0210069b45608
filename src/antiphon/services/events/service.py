"""The events of an application, opened with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.clock import Clock, Ids
from antiphon.core.info import AppInfo
from antiphon.core.log import Logger
from antiphon.core.service import service
from antiphon.services.events.events import Events
from antiphon.services.events.settings import EventSettings
from antiphon.services.streams.outbox import Outbox
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.supervisor import Supervisor


@service
async def events(
    queues: Queues,
    settings: EventSettings,
    outbox: Outbox | None,
    supervisor: Supervisor,
    info: AppInfo,
    clock: Clock,
    ids: Ids,
    log: Logger,
) -> AsyncIterator[Events]:
    """Facts in the store. It must be there when somebody announces one, not at the start."""
    opened = Events(queues, settings, outbox, supervisor, info, clock, ids, log)
    try:
        yield opened
    finally:
        await opened.close()
