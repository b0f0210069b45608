"""The queues of an application, opened with it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.clock import Clock
from antiphon.core.log import Logger
from antiphon.core.service import service
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.settings import StreamSettings
from antiphon.stores.base import Store


@service
async def streams(store: Store, settings: StreamSettings, clock: Clock, log: Logger) -> AsyncIterator[Queues]:
    """Jobs in the store. It must be there when somebody uses them, not at the start."""
    yield Queues(store, settings, clock, log)
