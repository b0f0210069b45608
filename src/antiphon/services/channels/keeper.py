"""The clockwork of a hub: one beat for what is due on this node, one for what needs the store. No other timers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from math import inf

from antiphon.core.errors import Unavailable
from antiphon.services.channels.feed import Feed
from antiphon.services.channels.hub import Hub

_COMPARED_AT_ONCE = 16


class Keeper:
    """Runs beside a hub from its first watcher on."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._beat = hub.settings.gather_time.total_seconds()
        self._renew_at = 0.0
        self._look_at = 0.0

    def start(self) -> None:
        """Begin; the hub ends it."""
        self._hub.spawn(self._every_beat(self._local))
        self._hub.spawn(self._every_beat(self._shared))

    async def _every_beat(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._hub.clock.sleep(self._beat)
            try:
                await work()
            except Unavailable:
                continue
            except Exception as error:  # noqa: BLE001  # what failed once is tried again with the next beat
                self._hub.log.error("channels.beat_failed", error=error)

    async def _local(self) -> None:
        hub, now = self._hub, self._hub.clock.monotonic()
        dirty, hub.dirty = hub.dirty, {}
        for feed in dirty:
            hub.deliver(feed, feed.roster.flush() if feed.roster is not None else None)
        for feed in _due(hub.idle, now):
            hub.close(feed)
        for watch in _due(hub.asks, now):
            hub.spawn(hub.ask_door(watch))

    async def _shared(self) -> None:
        hub, now = self._hub, self._hub.clock.monotonic()
        await hub.presence.settle()
        if now >= self._renew_at:
            await hub.presence.renew()
            self._renew_at = now + _seconds(hub.settings.renew_time)
        if now >= self._look_at:
            await hub.presence.look([*hub.feeds.values()])
            self._look_at = now + _seconds(hub.settings.look_time)
        due = _due(hub.compares, now)
        for feed in due:
            hub.compares[feed] = now + _seconds(hub.settings.compare_time)
        for first in range(0, len(due), _COMPARED_AT_ONCE):
            await asyncio.gather(*map(self._compare, due[first : first + _COMPARED_AT_ONCE]))

    async def _compare(self, feed: Feed) -> None:
        if feed.kept:
            feed.compare((await self._hub.logs.read(feed.keys, feed.channel, None)).position)
        if feed.roster is not None:
            await self._hub.presence.keep(feed)


def _due[T](waiting: dict[T, float], now: float) -> list[T]:
    """Takes out what is due. The one that has waited longest stands first, since all of one kind wait equally long."""
    due: list[T] = []
    while waiting and next(iter(waiting.values()), inf) <= now:
        first = next(iter(waiting))
        del waiting[first]
        due.append(first)
    return due


def _seconds(time: timedelta) -> float:
    return time.total_seconds()
