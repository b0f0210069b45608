"""Topics whose watchers have to learn that they missed an event: remembered until the store answers, then told."""

#     step      what                                                    when the process ends after it
#     lose      publishing gave up after `channels.publish_time`
#     keep      a row in the database, before the call is answered      another process tells the watchers
#     tell      the log begins anew under the epoch of the loss         another one tells the same: nothing new
#     forget    the row is deleted, unless there is a newer loss
#
# Who has lost an event tells it as soon as the store answers. Every process that serves looks for rows as well, now and
# then: for those of processes that have ended. Without the table, losses are remembered in memory alone.
#
# One topic that cannot be told, on a Cluster of which a node is away, must not keep the others untold; and a store that
# is away as a whole is not asked for each of ten thousand. So a round ends after three topics in a row that could not
# be told, and the next one begins with the others.

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
_MISSES = 3
_AT_ONCE = 500


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
        self._unkept: set[str] = set()
        self._keeping = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._place = ""

    def __len__(self) -> int:
        return len(self._untold)

    async def lose(self, items: Sequence[Item]) -> None:
        """These were not sent. It returns when the loss is in the database, or was tried for `channels.keep_time`."""
        self.events += len(items)
        for item in items:
            if item.is_missed:
                name = item.keys.name
                # Taken out first, so that the newest loss is the last.
                self._untold.pop(name, None)
                self._untold[name] = Loss(item.keys, self._logs.token(), self._logs.head_life(item.channel))
                self._unkept.add(name)
        self._log.warning(
            "channels.events_lost",
            events=len(items),
            channels=sorted({item.channel.name for item in items}),
            kept=self._kept is not None,
        )
        if self._untold and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell(), name="channels: tell losses")
        await self._keep()
        while len(self._untold) > self._settings.lost:
            oldest = next(iter(self._untold))
            if oldest in self._unkept:
                self._log.error("channels.loss_forgotten", topic=oldest)
            self._forget_here(self._untold[oldest])

    async def _keep(self) -> None:
        """Write what is not written yet."""
        if self._kept is None or not self._unkept:
            return
        try:
            async with asyncio.timeout(self._settings.keep_time.total_seconds()), self._keeping:
                # Whoever waited for their turn finds that theirs was written with the ones before.
                losses = [self._untold[name] for name in self._unkept]
                if losses:
                    await self._kept.keep(losses)
                for loss in losses:
                    if self._untold.get(loss.keys.name) is loss:
                        self._unkept.discard(loss.keys.name)
        except Exception as error:  # noqa: BLE001  # what is lost has happened, and while this process lives it will tell
            self._log.error("channels.loss_not_kept", reason=str(error) or type(error).__name__)

    def _forget_here(self, loss: Loss) -> None:
        name = loss.keys.name
        if self._untold.get(name) is loss:
            del self._untold[name]
            self._unkept.discard(name)

    # Telling

    async def _tell(self) -> None:
        """Tell what was lost here, as soon as the store answers."""
        wait = _FIRST_WAIT
        while self._untold:
            told, _ = await self._tell_each([*self._untold.values()])
            if told:
                wait = _FIRST_WAIT
                await self._forget(told)
            if self._untold:
                # The database may have come back before the store, and this process may end before both are there.
                await self._keep()
                await self._clock.sleep(wait)
                wait = min(_MOST_WAIT, wait * 2)

    async def _tell_each(self, losses: Sequence[Loss]) -> tuple[list[Loss], int]:
        """Tell these; gives those that were told, and how many were tried."""
        told: list[Loss] = []
        misses = 0
        for tried, loss in enumerate(losses, 1):
            try:
                await self._logs.renew(loss.keys, loss.epoch, loss.head_life)
            except Unavailable:
                self._put_last(loss)
                misses += 1
                if misses == _MISSES:
                    return told, tried
            except Exception as error:  # noqa: BLE001  # the other topics are told all the same
                self._put_last(loss)
                self._log.error("channels.loss_not_told", topic=loss.keys.name, error=error)
            else:
                misses = 0
                told.append(loss)
                self._forget_here(loss)
        return told, len(losses)

    def _put_last(self, loss: Loss) -> None:
        if self._untold.get(loss.keys.name) is loss:
            self._untold[loss.keys.name] = self._untold.pop(loss.keys.name)

    async def _forget(self, told: Sequence[Loss]) -> None:
        if self._kept is None:
            return
        try:
            for first in range(0, len(told), _AT_ONCE):
                await self._kept.forget(told[first : first + _AT_ONCE])
        except Exception as error:  # noqa: BLE001  # it is told once more, which changes nothing, and forgotten then
            self._log.debug("channels.loss_not_forgotten", reason=str(error) or type(error).__name__)

    def begin(self) -> None:
        """Look for the losses of other processes, from now on."""
        if self._kept is not None and self._looking is None:
            self._looking = asyncio.create_task(self._keep_looking(self._kept), name="channels: look for losses")

    async def _keep_looking(self, kept: KeptLosses) -> None:
        most = self._settings.losses_time.total_seconds()
        retry = _FIRST_WAIT
        while True:
            try:
                is_done = await self._look(kept)
            except Unavailable:
                is_done = False
            except Exception as error:  # noqa: BLE001  # the next round finds the same rows
                self._log.error("channels.losses_unread", error=error)
                is_done = False
            # What could not be told is tried again soon, and less and less often.
            wait, retry = (most, _FIRST_WAIT) if is_done else (min(most, retry), retry * 2)
            # Jitter, so that the processes do not all look at once.
            await self._clock.sleep(wait * uniform(0.5, 1.0))  # noqa: S311  # no secret

    async def _look(self, kept: KeptLosses) -> bool:
        """Tell what other processes have left, from where the last round ended; whether nothing of it is left."""
        is_done = not self._place
        while losses := await kept.read(_AT_ONCE, after=self._place):
            told, tried = await self._tell_each(losses)
            self._place = losses[tried - 1].keys.name
            if told:
                await kept.forget(told)
            is_done = is_done and len(told) == len(losses)
            if tried < len(losses):
                return False
        self._place = ""
        return is_done

    async def stop(self) -> None:
        """Tell no longer; what is in the database is told by another process, or by the next one."""
        tasks = [task for task in (self._telling, self._looking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._keep()
