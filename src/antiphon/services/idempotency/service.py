"""Opens the memory of answers under keys, wherever an application has a store."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.log import Logger
from antiphon.core.service import service
from antiphon.services.idempotency.idempotency import StoredAnswers
from antiphon.services.idempotency.settings import IdempotencySettings
from antiphon.stores.base import Store


@service
async def idempotency(store: Store, settings: IdempotencySettings, log: Logger) -> AsyncIterator[StoredAnswers]:
    """The first answer of a call under a client's key, again; without the store such calls are refused."""
    opened = StoredAnswers(store, settings, log)
    try:
        yield opened
    finally:
        await opened.close()
