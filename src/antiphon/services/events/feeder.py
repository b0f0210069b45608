"""The feeder: takes events from a log to the queue of each listener, in their order, every one of them, once."""

# A log and a queue are two keys in two slots of a Cluster, so no step changes both. A feeder that notes in the log what
# it has handed on may die between the one and the other, or sleep between them for a day: one order loses an event, the
# other doubles it. Ids of jobs do not help against the second for ever, as those of finished jobs are forgotten.
#
# So what decides is a cursor that lies beside the queue, and one step (`feed.lua`) changes both or neither:
#
#       if the cursor of this listener is at c: put these events into the queue, and move the cursor behind them
#
# A feeder reads the cursor, c; reads the first entries behind c; and takes the step with those of them that concern the
# listener. Entries are added only at the end of a log and are never moved, so whoever reads behind c at whatever time
# finds the same entries in the same order, or, once they were trimmed, a hole where they were (below). Therefore:
#
#   what holds       every event that concerns the listener, up to the cursor, was put into the queue once, in the order
#                    of the log; and none behind it was
#   step taken       it holds again: exactly the next events were added, and the cursor is behind them
#   step refused     nothing has changed: another feeder was faster
#   killed, paused   between two steps: it holds. One that wakes up has its step refused, as the cursor has moved on
#
# This is so for any number of feeders at once. The lease only spares the work of those whose steps would be refused;
# nothing hangs on its clock. The group of the listener in the log follows the cursor, to be looked at; it is the cursor
# of a listener that has none yet.
#
# Bounds win: the log may be trimmed behind the cursor. Entries are numbered without a hole, so the first one that is
# left tells how many are missing: `gap`. It is noted in the step that moves the cursor over it, so each is told once.
#
#   the log …                                             then
#   is another one, its group gone (it was emptied)       on behind the cursor; from its start, if it ends before that
#   ends before the cursor (a replica that lagged leads)  on from its end
#
# A replay is a second cursor of the same kind, with an end.

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple, cast

from antiphon.core.log import Logger
from antiphon.services.events.counts import EventCounts
from antiphon.services.events.envelope import Names
from antiphon.services.events.jobs import job_of
from antiphon.services.events.listener import Listener
from antiphon.services.events.replay import Replay, read_replay
from antiphon.services.events.settings import EventSettings
from antiphon.services.streams.log import BEGINNING, EventLog, Kept, before, behind, order_of
from antiphon.services.streams.message import CloudEvent
from antiphon.services.streams.queue import Queues
from antiphon.stores.scripts.events import steps
from antiphon.stores.scripts.events.steps import Cursor, Held, Missed, Place
from antiphon.stores.scripts.jobs.putting import NewJob

FED, REPLAYED = "fed", "replayed"
"""The fields of a queue's `meta` that hold the cursors of the listener and of its replay."""

_ALIAS_LIFE = 1_000
"""The life, in milliseconds, of an id that another job stands for; no listener's job has a unique key."""


class Step(Enum):
    """What came of feeding one listener once."""

    IDLE = 1
    """There is nothing left to feed."""
    MORE = 2
    """There may be more."""
    FULL = 3
    """Its queue has as much as it may have."""
    OTHERS = 4
    """Another feeder does it."""


_URGENCY = {Step.OTHERS: 0, Step.IDLE: 1, Step.FULL: 2, Step.MORE: 3}
"""Which of two answers says what to do next."""


class Room(NamedTuple):
    """How many unfinished jobs there may be, and how many more that was when the feeder looked."""

    most: int
    free: int


class Cursors(NamedTuple):
    """What lies beside the queue of a listener."""

    fed: Place | None
    unfinished: int
    replay: Replay | None
    replayed: Place | None


class Parts(NamedTuple):
    """What every feeder of an application shares."""

    queues: Queues
    log: EventLog
    settings: EventSettings
    names: Names
    counts: EventCounts
    logger: Logger


class Feeder:
    """Feeds one listener. Any number of them may do so for the same one, in any number of processes."""

    def __init__(self, parts: Parts, listener: Listener[Any], token: str) -> None:
        self.listener = listener
        self.stream = listener.kind.stream
        self.token = token
        self.last = BEGINNING
        self._parts = parts
        self._store = parts.log.store
        self._meta = parts.log.keys.meta(listener.queue)
        self._type = parts.names.type_of(listener.kind)

    async def feed(self) -> Step:
        """Take some events to the queue. Raises Unavailable when the store is away; whatever was done stays done."""
        cursors = await self._look()
        held = await self._hold(cursors.fed)
        if held is None:
            self._parts.counts.lags.pop(self.listener.name, None)
            return Step.OTHERS
        self.last = held.last
        place = await self._place(cursors.fed, held)
        if place is None:
            return Step.OTHERS
        ahead = self._parts.settings.ahead
        step = await self._feed_new(place, Room(ahead, ahead - cursors.unfinished))
        self._parts.counts.lags[self.listener.name] = 0 if step is Step.IDLE else held.last.number - place.number
        if cursors.replay is None or cursors.replayed is None:
            return step
        # What is told again leaves room for what is new.
        half = max(1, ahead // 2)
        again = await self._feed_replay(cursors.replay, cursors.replayed, Room(half, half - cursors.unfinished))
        return max(step, again, key=_URGENCY.__getitem__)

    async def let_go(self) -> None:
        """Let others feed at once instead of when the lease has run out."""
        await steps.release(self._store, self._feeder_key, self.token)

    @property
    def _feeder_key(self) -> str:
        return self._parts.log.keys.feeder(self.stream, self.listener.name)

    async def _look(self) -> Cursors:
        fields = (FED, "unfinished", "replay", REPLAYED)
        found = cast("list[bytes | None]", await self._store.client.execute_command("HMGET", self._meta, *fields))
        fed, unfinished, replay, replayed = (value.decode() if value else "" for value in found)
        return Cursors(
            Place.read(fed) if fed else None,
            int(unfinished or 0),
            read_replay(replay),
            Place.read(replayed) if replayed else None,
        )

    async def _hold(self, at: Place | None) -> Held | None:
        return await steps.hold(
            self._store,
            self._parts.log.keys.log(self.stream),
            self._feeder_key,
            group=self.listener.name,
            token=self.token,
            lease_millis=round(self._parts.settings.lease_time.total_seconds() * 1000),
            since=self.listener.since,
            at=at,
        )

    async def _place(self, at: Place | None, held: Held) -> Place | None:
        """The cursor, put right where it has to be; None when another feeder moves it."""
        if at is None:
            return held.at if await self._move(FED, None, held.at) else None
        lost = order_of(at.entry_id) > order_of(held.last.entry_id)
        if held.made or lost:
            self._parts.logger.warning("events.log_lost", listener=self.listener.name, stream=self.stream)
        if not lost:
            return at
        place = BEGINNING if held.made else held.last
        return place if await self._move(FED, at, place) else None

    async def _move(self, field: str, at: Place | None, to: Place | None, missed: Missed | None = None) -> bool:
        return await steps.move(self._store, self._meta, field, expected=at, next=to, missed=missed)

    # What is new

    async def _feed_new(self, at: Place, room: Room) -> Step:
        entries = await self._parts.log.read(self.stream, at, self._parts.settings.batch)
        if not entries:
            return await self._all_gone(at) if order_of(at.entry_id) < order_of(self.last.entry_id) else Step.IDLE
        first = entries[0].place
        missing = first.number - at.number - 1
        if missing > 0:
            to = Place(before(first.entry_id), first.number - 1)
            if not await self._skip(at, to, Missed(behind(at.entry_id), to.entry_id, missing)):
                return Step.OTHERS
            at = to
        return await self._take(FED, at, entries, room, None)

    async def _all_gone(self, at: Place) -> Step:
        """Everything behind the cursor has been trimmed."""
        missing = max(1, self.last.number - at.number)
        if await self._skip(at, self.last, Missed(behind(at.entry_id), self.last.entry_id, missing)):
            return Step.IDLE
        return Step.OTHERS

    async def _skip(self, at: Place, to: Place, missed: Missed) -> bool:
        moved = await self._move(FED, at, to, missed)
        if moved:
            self._parts.counts.gaps[self.listener.name] += 1
            self._parts.logger.error(
                "events.gap",
                listener=self.listener.name,
                first=missed.first,
                last=missed.last,
                events=missed.events,
            )
        return moved

    # What is told again

    async def _feed_replay(self, replay: Replay, at: Place, room: Room) -> Step:
        entries = await self._parts.log.read(self.stream, at, self._parts.settings.batch)
        within = [entry for entry in entries if order_of(entry.place.entry_id) <= order_of(replay.until)]
        step = await self._take(REPLAYED, at, within, room, replay)
        if step in (Step.FULL, Step.OTHERS):
            return step
        if len(within) == len(entries) == self._parts.settings.batch:
            return Step.MORE
        if await self._move(REPLAYED, within[-1].place if within else at, None):
            self._parts.logger.info("events.replayed", listener=self.listener.name, replay=replay.id)
        return Step.IDLE

    # Both

    async def _take(self, field: str, at: Place, entries: Sequence[Kept], room: Room, replay: Replay | None) -> Step:
        """Take these entries, the first behind the cursor, as far as there is room."""
        parts, now, end = self._parts, self._parts.queues.time.now(), at
        jobs: list[tuple[Place, NewJob]] = []
        for entry in entries:
            event = self._event_of(entry, replay)
            if event is not None:
                if len(jobs) >= room.free:
                    break
                job = job_of(self.listener, event, entry, parts.names.source, now, replay)
                jobs.append((entry.place, parts.queues.new_job(self.listener.queue, job)))
            end = entry.place
        if end == at:
            return Step.FULL if entries else Step.IDLE
        keys, cursor = parts.log.keys.of_queue(self.listener.queue), Cursor(field, at, end)
        outcome, _ = await steps.feed(self._store, keys, cursor, jobs, most=room.most, alias_life=_ALIAS_LIFE)
        if outcome == "moved":
            return Step.OTHERS
        if jobs:
            await parts.queues.note([self.listener.queue])
        if outcome == "full" or end != entries[-1].place:
            return Step.FULL
        return Step.MORE if len(entries) == parts.settings.batch else Step.IDLE

    def _event_of(self, entry: Kept, replay: Replay | None) -> CloudEvent | None:
        """The event, if it concerns the listener."""
        event = entry.event
        if event is None:
            self._parts.counts.undecodable += 1
            self._parts.logger.error("events.undecodable", stream=self.stream, entry=entry.place.entry_id)
            return None
        if event.type != self._type or (replay is not None and replay.key and event.partition_key != replay.key):
            return None
        return event
