"""Topics whose watchers have to learn that they missed an event: remembered until the store answers, then told."""

#     step      what                                                    when the process ends after it
#     lose      publishing gave up after `channels.publish_time`
#     keep      a row in the database, before the call is answered      another process tells the watchers
#     tell      the log begins anew under the epoch of the loss         another one tells the same: nothing new
#     forget    the row is deleted, unless there is a newer loss
#
# Who has lost an event tells it as soon as the store answers. Every process that serves looks for rows as well, now and
# then: for those of processes that have ended. Without the table, losses are remembered in memory alone.

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import uniform
from typing import TYPE_CHECKING

from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.core.log import Logger
from antiphon.services.channels.kept import KeptLosses, Loss
from antiphon.services.channels.log import Logs
from antiphon.services.channels.settings import ChannelSettings

if TYPE_CHECKING:
    from antiphon.services.channels.publishing import Item

_FIRST_WAIT, _MOST_WAIT = 0.1, 5.0
_READ_AT_ONCE = 500


class Losses:
    """What could not be sent, and to whose watchers that has to be said."""

    def __init__(
        self, logs: Logs, kept: KeptLosses | None, settings: ChannelSettings, clock: Clock, log: Logger
    ) -> None:
        self.events = 0
        self._logs = logs
        self._kept = kept
        self._settings = settings
        self._clock = clock
        self._log = log
        self._untold: dict[str, Loss] = {}
        self._unkept: dict[str, None] = {}
        self._keeping = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._untold)

    async def lose(self, items: Sequence[Item]) -> None:
        """These were not sent. When this returns the loss is in the database, if that is there. It never raises."""
        self.events += len(items)
        for item in items:
            name = item.keys.name
            self._untold[name] = Loss(item.keys, self._logs.token(), self._logs.head_life(item.channel))
            self._unkept[name] = None
        topics = sorted({item.channel.name for item in items})
        self._log.warning("channels.events_lost", events=len(items), channels=topics, kept=self._kept is not None)
        while len(self._untold) > self._settings.lost:
            oldest = next(iter(self._untold))
            self._forget_here(self._untold[oldest])
            self._log.error("channels.loss_forgotten", topic=oldest)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="channels: tell losses")
        if self._kept is not None:
            await self._keep(self._kept)

    async def _keep(self, kept: KeptLosses) -> None:
        try:
            async with asyncio.timeout(self._settings.keep_time.total_seconds()), self._keeping:
                # Whoever waited for their turn finds that theirs was written with the ones before.
                losses = [self._untold[name] for name in self._unkept]
                if losses:
                    await kept.keep(losses)
                for loss in losses:
                    if self._untold.get(loss.keys.name) is loss:
                        self._unkept.pop(loss.keys.name, None)
        except Exception as error:  # noqa: BLE001  # the call has succeeded, and while this process lives it will tell
            self._log.error("channels.loss_not_kept", reason=str(error) or type(error).__name__)

    def _forget_here(self, loss: Loss) -> None:
        name = loss.keys.name
        if self._untold.get(name) is loss:
            del self._untold[name]
            self._unkept.pop(name, None)

    # Telling

    async def _tell(self) -> None:
        wait = _FIRST_WAIT
        while self._untold:
            loss = next(iter(self._untold.values()))
            try:
                await self._logs.renew(loss.keys, loss.epoch, loss.head_life)
            except Unavailable:
                await self._clock.sleep(wait)
                wait = min(_MOST_WAIT, wait * 2)
            else:
                self._forget_here(loss)
                await self._forget([loss])

    async def _forget(self, told: Sequence[Loss]) -> None:
        if self._kept is None:
            return
        try:
            await self._kept.forget(told)
        except Exception as error:  # noqa: BLE001  # it is told once more, which changes nothing, and forgotten then
            self._log.debug("channels.loss_not_forgotten", reason=str(error) or type(error).__name__)

    def begin(self) -> None:
        """Look for the losses of other processes, from now on."""
        if self._kept is not None and self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(self._kept), name="channels: look for losses")

    async def _keep_looking(self, kept: KeptLosses) -> None:
        most = self._settings.losses_time.total_seconds()
        wait = most
        while True:
            try:
                await self._look(kept)
            except Unavailable:
                # Something was to be told, or looked for, and could not be: try again sooner.
                wait = min(most, _FIRST_WAIT if wait == most else wait * 2)
            except Exception as error:  # noqa: BLE001  # the next round finds the same rows
                self._log.error("channels.losses_unread", error=error)
                wait = most
            else:
                wait = most
            # Jitter, so that the processes do not all look at once.
            await self._clock.sleep(wait * uniform(0.5, 1.0))  # noqa: S311  # no secret

    async def _look(self, kept: KeptLosses) -> None:
        while losses := await kept.read(_READ_AT_ONCE):
            for loss in losses:
                await self._logs.renew(loss.keys, loss.epoch, loss.head_life)
            await kept.forget(losses)
            if len(losses) < _READ_AT_ONCE:
                return

    async def stop(self) -> None:
        """Tell no longer; what is in the database is told by another process, or by the next one."""
        tasks = [task for task in (self._telling, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
