"""Events as an application uses them: announced by calls, kept in logs, told to listeners by whoever works."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from antiphon.core import job
from antiphon.core.clock import Clock, Ids
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Unavailable
from antiphon.core.health import Health
from antiphon.core.info import AppInfo
from antiphon.core.job import JobState
from antiphon.core.log import Logger
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background
from antiphon.services.events.counts import EventCounts
from antiphon.services.events.dead import DeadLetterAdded, DeadLetters, dead_letter_type
from antiphon.services.events.envelope import Names
from antiphon.services.events.feeder import Feeder, Parts
from antiphon.services.events.feeding import Feeding
from antiphon.services.events.listener import Listener
from antiphon.services.events.publishing import Publishing
from antiphon.services.events.settings import EventSettings
from antiphon.services.events.steering import Steering
from antiphon.services.streams.log import EventLog
from antiphon.services.streams.message import JobMessage
from antiphon.services.streams.outbox import Outbox
from antiphon.services.streams.players import Play
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.supervisor import Supervisor
from antiphon.stores.scripts.events import steps

TRIM, LETTERS = "event logs", "dead letters"
"""The loops beside those that feed."""


class Events(job.Events, Background):
    """Announces facts, and tells listeners of them.

    `publishing` has what is done with events, `listeners` what is asked and done about those who hear of them. As a
    health check it is down while a listener has missed something that nobody has replayed or accepted.
    """

    health_name = "events"
    health_critical = False

    def __init__(
        self,
        queues: Queues,
        settings: EventSettings,
        outbox: Outbox | None,
        supervisor: Supervisor,
        info: AppInfo,
        clock: Clock,
        ids: Ids,
        log: Logger,
    ) -> None:
        self.log = EventLog(
            queues.store,
            clock,
            max_events=settings.max_events,
            seen_time=settings.seen_time,
            keep_time=settings.keep_time,
        )
        self.counts = EventCounts()
        self.publishing = Publishing(self.log, Names(info.name, settings.address), self.counts, outbox)
        self.listeners = Steering(self.log, clock, ids)
        self._parts = Parts(queues, self.log, settings, self.publishing.names, self.counts, log)
        self._letters = DeadLetters(self.publishing, clock, ids, log)
        self._supervisor = supervisor
        self._ids = ids
        self._declared: dict[str, Listener[Any]] = {}
        self._feeding: list[Feeding] = []
        self._works = False

    async def publish(self, ctx: Context, event: msgspec.Struct) -> str:
        """Announce a fact; see `Publishing.publish`."""
        return await self.publishing.publish(ctx, event)

    # The life of a process

    def know(self, runtime: Runtime) -> None:
        """Take in what the application declares. Raises SetupError when two events have one name."""
        self._declared = {name: found for name, found in runtime.actions.items() if isinstance(found, Listener)}
        self.publishing.table = runtime.events
        for kind in (dead_letter_type(), *(listener.kind for listener in self._declared.values())):
            runtime.events.add(kind)
        self.listeners.declare([*self._declared.values()])

    async def begin(self, runtime: Runtime) -> None:
        """Make the listeners' groups, so that they hear of everything from now on; in a worker, begin to feed them."""
        self.know(runtime)
        for listener in self._declared.values():
            try:
                await self._make_group(listener)
            except Unavailable:
                # Whoever feeds makes it as well, and nobody can publish to a store that is away.
                break
        if "worker" in runtime.listening:
            self._work()

    async def _make_group(self, listener: Listener[Any]) -> None:
        stream = listener.kind.stream
        keys = self.log.keys
        await steps.hold(
            self.log.store,
            keys.log(stream),
            keys.feeder(stream, listener.name),
            group=listener.name,
            token="",
            lease_millis=0,
            since=listener.since,
            at=None,
        )

    def _work(self) -> None:
        self._works = True
        token = self._ids.uuid7()
        feeders = [Feeder(self._parts, listener, token) for listener in self._declared.values()]
        for stream in sorted({feeder.stream for feeder in feeders}):
            feeding = Feeding(self._parts, stream, [feeder for feeder in feeders if feeder.stream == stream])
            self._feeding.append(feeding)
            self._supervisor.keep(feeding.name, feeding.run_round)
        self._supervisor.keep(TRIM, self._trim, vital=False)
        self._supervisor.keep(LETTERS, self._letters.run_round, vital=False)

    async def _trim(self) -> float:
        """What is too old goes away also where nothing is added any more."""
        for stream in await self.log.streams():
            await self.log.trim(stream, self.publishing.table.keep(stream))
        return self._parts.settings.trim_time / timedelta(seconds=1)

    async def close(self) -> None:
        """End the loops, tell what is left to tell, and let others feed."""
        await self._supervisor.end(TRIM, LETTERS, *(feeding.name for feeding in self._feeding))
        if self._works:
            await self._letters.finish()
        for feeding in self._feeding:
            await feeding.close()

    # What the worker asks

    def queues(self) -> Sequence[str]:
        """The queues of the listeners."""
        return [listener.queue for listener in self._declared.values()]

    def play(self, message: JobMessage) -> Play | None:
        """Nothing: a listener is an action of the application, and found as one."""
        return None

    def changed(self, message: JobMessage, state: JobState, reason: str = "") -> None:
        """A job is in this state now. That a listener of dead letters has failed is no news for it."""
        listener = self._declared.get(message.action)
        if state in ("dead", "quarantined") and (listener is None or listener.event is not DeadLetterAdded):
            self._letters.add(message, state, reason)
            self._supervisor.wake(LETTERS)

    def progressed(self, message: JobMessage, share: float, note: str) -> None:
        """A job has come this far, which is no event."""

    def collectors(self) -> Sequence[Any]:
        """What is counted about events."""
        return [self.counts]

    async def check_health(self) -> Health:
        """Down while a listener has missed something; a store that is away says so itself."""
        try:
            return Health.DOWN if await self.listeners.gaps() else Health.UP
        except CallError:
            return Health.DEGRADED
