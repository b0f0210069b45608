"""Opens the limits of an application, the lockout, and what both ask the store with."""

from __future__ import annotations

from collections.abc import AsyncIterator

from antiphon.core.clock import Clock
from antiphon.core.log import Logger
from antiphon.core.service import service
from antiphon.services.limits.asking import Asker
from antiphon.services.limits.limits import Limits
from antiphon.services.limits.lockout import Lockout, LockoutSettings
from antiphon.services.limits.settings import LimitSettings
from antiphon.stores.base import Store


@service
async def asker(store: Store, settings: LimitSettings, log: Logger) -> AsyncIterator[Asker]:
    """Decisions of the store, for which nobody waits longer than a moment."""
    opened = Asker(store, settings.store_time, log)
    try:
        yield opened
    finally:
        await opened.close()


@service
async def limits(store: Store, asker: Asker, settings: LimitSettings, clock: Clock) -> AsyncIterator[Limits]:
    """How often callers may call; decided here alone while the store is away."""
    opened = Limits(store, asker, settings, clock)
    try:
        yield opened
    finally:
        await opened.close()


@service
async def lockout(store: Store, asker: Asker, settings: LockoutSettings, clock: Clock) -> AsyncIterator[Lockout]:
    """What wrong passwords cost; counted here alone while the store is away."""
    yield Lockout(store, asker, settings, clock)
