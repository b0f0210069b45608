"""The hub of one node: who watches which topic, and everything that happens to them besides events."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from random import getrandbits
from typing import Any, NamedTuple

from msgspec import Raw

from antiphon.core.caller import Caller
from antiphon.core.channel import AnyChannel, Position
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import CallError, Conflict, Defect, Forbidden, NotFound, NotSignedIn, Unavailable
from antiphon.core.log import Logger
from antiphon.services.channels.doors import admit
from antiphon.services.channels.feed import Feed
from antiphon.services.channels.frames import Frame, Subscribed, ended_frame
from antiphon.services.channels.log import Logs
from antiphon.services.channels.messages import topic_keys
from antiphon.services.channels.presence import Presence
from antiphon.services.channels.settings import ChannelSettings
from antiphon.services.channels.watching import Watch, Watcher
from antiphon.stores.relay import Relay

_ASKED_AT_ONCE = 8
_RETRY_SECONDS = 5.0
_FIRST_WAIT, _MOST_WAIT = 0.05, 5.0
_OWN_ENTRY_SECONDS = 0.5


class Parts(NamedTuple):
    """What a hub leans on."""

    relay: Relay
    logs: Logs
    presence: Presence
    settings: ChannelSettings
    clock: Clock
    log: Logger


class Hub:
    """Watchers by topic. `subscribe` waits; everything else returns at once."""

    def __init__(self, parts: Parts) -> None:
        self.relay, self.logs, self.presence, self.settings, self.clock, self.log = parts
        self.feeds: dict[str, Feed] = {}
        self.idle: dict[Feed, float] = {}
        self.compares: dict[Feed, float] = {}
        self.dirty: dict[Feed, None] = {}
        self.asks: dict[Watch, float] = {}
        self.draining = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Semaphore(_ASKED_AT_ONCE)

    # Subscribing

    async def subscribe(self, ctx: Context, topic: str, watcher: Watcher, since: Position | None = None) -> Watch:
        """Let a connection watch a topic. Send `watch.answer` as the reply and call `watch.begin()` with it.

        `ctx` is a fresh context of this frame. Raises what the door raises, InvalidInput for a name that is none,
        NotFound, Conflict over `channels.topics`, and Unavailable when the topic or the node is full, or the store is
        away.
        """
        channel, arguments = ctx.runtime.channels.find(topic)
        self._refuse_more(watcher, topic)
        caller = await admit(ctx, channel, arguments)
        self._refuse_more(watcher, topic)
        watch = watcher.watches.get(topic)
        if watch is not None:
            return await self._again(watch, since)
        feed = self._feed(topic, caller.tenant_id, channel)
        if len(feed) >= self.settings.watchers:
            raise Unavailable("Too many watch this topic on this node. Try again soon.", retry_after=5.0)
        watch = Watch(feed, watcher, arguments, self.settings.held_bytes)
        watch.user = caller.id
        watcher.watches[topic] = watch
        feed.hold(watch)
        self.idle.pop(feed, None)
        try:
            async with feed.lock:
                if not feed.ready:
                    await self._open(feed)
            await self._enter(watch, caller)
            watch.answer = await self._answer(watch, since)
            watch.check()
        except BaseException:
            self._remove(watch, at_once=True)
            raise
        self.asks[watch] = self.clock.monotonic() + self.settings.door_time.total_seconds()
        return watch

    def _refuse_more(self, watcher: Watcher, topic: str) -> None:
        if self.draining:
            raise Unavailable("The server is about to end.")
        if topic not in watcher.watches and len(watcher.watches) >= self.settings.topics:
            raise Conflict(f"A connection watches {self.settings.topics} topics at most. Unsubscribe from one first.")

    async def _again(self, watch: Watch, since: Position | None) -> Watch:
        """A repeat: it is free, and answered anew."""
        if not watch.began:
            raise Conflict("This topic is being subscribed to already.")
        feed = watch.feed
        if since is None and feed.kept and feed.place is not None:
            # Where this watch is, which may be behind what the store has.
            at = feed.place if watch.watcher in feed.live else Position(feed.place.epoch, watch.answered)
            watch.answer = self._with_members(feed, Subscribed(feed.topic, at.epoch, at.offset))
        elif since is not None and feed.kept:
            feed.hold(watch)
            watch.hold_again()
            try:
                watch.answer = await self._answer(watch, since)
                watch.check()
            except BaseException:
                self.end(watch, Unavailable())
                raise
        else:
            watch.answer = self._with_members(feed, Subscribed(feed.topic))
        return watch

    async def _answer(self, watch: Watch, since: Position | None) -> Subscribed:
        feed = watch.feed
        if not feed.kept:
            return self._with_members(feed, Subscribed(feed.topic))
        position, found, entries = await self.logs.read(feed.keys, feed.channel, since)
        place = feed.place
        if place is not None and position.epoch != place.epoch:
            feed.compare(position)
        answer = Subscribed(feed.topic, position.epoch, position.offset)
        if since is not None and found == "all":
            missed = [Raw(entry) for entry in entries]
            answer = Subscribed(feed.topic, position.epoch, position.offset, recovered=True, missed=missed)
        elif since is not None:
            answer = Subscribed(feed.topic, position.epoch, position.offset, recovered=False, missed=[], reason=found)
        return self._with_members(feed, answer)

    def _with_members(self, feed: Feed, answer: Subscribed) -> Subscribed:
        roster = feed.roster
        if roster is None:
            return answer
        count, version = len(roster.members), roster.version
        return Subscribed(
            answer.topic,
            answer.epoch,
            answer.offset,
            answer.recovered,
            answer.reason,
            answer.missed,
            members=roster.listing(),
            count=count,
            presence_version=version,
        )

    async def _enter(self, watch: Watch, caller: Caller) -> None:
        feed = watch.feed
        roster = feed.roster
        if roster is None or caller.kind != "user" or not caller.id:
            return
        watch.user = caller.id
        version = await self.presence.enter(feed, caller.id)
        if watch.gone:
            self.presence.leave(feed, caller.id, at_once=False)
            watch.check()
        watch.present = True
        if roster.version < version:
            try:
                async with asyncio.timeout(_OWN_ENTRY_SECONDS):
                    await roster.reached(version)
            except TimeoutError:
                self.deliver(feed, await self.presence.read(feed))

    # Leaving

    def unsubscribe(self, watcher: Watcher, topic: str) -> bool:
        """Watch this topic no longer; the user is off it at once. Whether it was watched."""
        watch = watcher.watches.get(topic)
        if watch is None:
            return False
        self._remove(watch, at_once=True)
        return True

    def drop(self, watcher: Watcher, *, at_once: bool = False) -> None:
        """The connection has ended. The user has the grace to come back, unless `at_once` (close 1000, a sign-out)."""
        for watch in [*watcher.watches.values()]:
            self._remove(watch, at_once=at_once)

    def end(self, watch: Watch, error: CallError) -> None:
        """End a watch from this side, and tell the client why."""
        if watch.gone:
            return
        self._remove(watch, at_once=True)
        watch.watcher.deliver(ended_frame(watch.feed.topic, error))

    def _remove(self, watch: Watch, *, at_once: bool) -> None:
        feed = watch.feed
        if watch.gone:
            return
        feed.remove(watch)
        watch.watcher.watches.pop(feed.topic, None)
        self.asks.pop(watch, None)
        if watch.present:
            watch.present = False
            self.presence.leave(feed, watch.user, at_once=at_once)
        if not len(feed):
            self.idle[feed] = self.clock.monotonic() + self.settings.linger_time.total_seconds()

    # Feeds

    def _feed(self, topic: str, tenant_id: str, channel: AnyChannel) -> Feed:
        keys = topic_keys(tenant_id, topic)
        feed = self.feeds.get(keys.name)
        if feed is None:
            feed = self.feeds[keys.name] = Feed(
                topic, tenant_id, channel, keys, owner=self, most_members=self.settings.members
            )
        return feed

    async def _open(self, feed: Feed) -> None:
        name = self.logs.name(feed.keys)
        await self.relay.listen(name, feed)
        try:
            if feed.kept:
                feed.looks()
                feed.read(await self.logs.read(feed.keys, feed.channel, None))
            if feed.roster is not None:
                await self.presence.read(feed)
                await self.presence.look([feed])
        except BaseException:
            feed.place = None
            self.relay.leave(name, feed)
            raise
        feed.ready = True
        seconds = self.settings.compare_time.total_seconds()
        self.compares[feed] = self.clock.monotonic() + seconds * (0.5 + getrandbits(16) / 131_072)
        if feed.behind:
            self.mend(feed)

    def close(self, feed: Feed) -> None:
        """Hear a topic no longer."""
        self.idle.pop(feed, None)
        self.compares.pop(feed, None)
        self.dirty.pop(feed, None)
        if self.feeds.get(feed.keys.name) is feed:
            del self.feeds[feed.keys.name]
        self.relay.leave(self.logs.name(feed.keys), feed)

    def deliver(self, feed: Feed, frame: Frame | None) -> None:
        """Show a frame to everybody who watches."""
        if frame is not None:
            feed.show(None, frame)

    def changed(self, feed: Feed) -> None:
        """Somebody came or went: told with the next beat."""
        self.dirty[feed] = None
        if feed.roster is not None and feed.roster.behind:
            self.mend(feed)

    def mend(self, feed: Feed) -> None:
        """Read the log and the list of a topic again, as long as it takes."""
        if feed.ready and not feed.mending:
            feed.mending = True
            self.spawn(self._mend(feed))

    async def _mend(self, feed: Feed) -> None:
        wait = _FIRST_WAIT
        try:
            while self.feeds.get(feed.keys.name) is feed:
                try:
                    await self._mend_once(feed)
                    if not feed.behind:
                        return
                except Unavailable:
                    feed.stale = True
                await self.clock.sleep(wait)
                wait = min(_MOST_WAIT, wait * 2)
        finally:
            feed.mending = False

    async def _mend_once(self, feed: Feed) -> None:
        if feed.roster is not None and feed.roster.behind:
            self.deliver(feed, await self.presence.read(feed))
        # The log last: what is heard between its reading and the end of mending has to be read again.
        if feed.kept:
            feed.looks()
            feed.read(await self.logs.read(feed.keys, feed.channel, feed.place, trusted=True))
        elif feed.stale:
            feed.lost()

    # Doors

    def ask(self, feed: Feed, user_id: str) -> None:
        """Ask the door of a topic again, for the watches of this user."""
        self._ask_soon(watch for watch in feed.watches() if watch.user == user_id)

    def ask_user(self, user_id: str | None) -> None:
        """Ask every door again for this user, or for everybody."""
        self._ask_soon(watch for watch in self.asks if user_id is None or watch.user == user_id)

    def ask_watcher(self, watcher: Watcher) -> None:
        """Ask every door of one connection again: after a sign-in on it, or a new token."""
        self._ask_soon(watcher.watches.values())

    def _ask_soon(self, watches: Iterable[Watch]) -> None:
        for watch in [*watches]:
            self.asks.pop(watch, None)
            self.spawn(self.ask_door(watch))

    async def ask_door(self, watch: Watch) -> None:
        """Ask the door of one watch; a refusal ends it, and anything else than an answer is asked again soon."""
        retry = self.settings.door_time.total_seconds()
        async with self._asking:
            if watch.gone:
                return
            try:
                caller = await admit(watch.watcher.context(), watch.feed.channel, watch.arguments)
                if caller.tenant_id != watch.feed.tenant_id:
                    raise Forbidden
                await self._become(watch, caller)
            except (NotSignedIn, Forbidden, NotFound) as error:
                self.end(watch, error)
            except (CallError, Defect):
                retry = _RETRY_SECONDS
        if not watch.gone:
            self.asks[watch] = self.clock.monotonic() + retry

    async def _become(self, watch: Watch, caller: Caller) -> None:
        """The connection has signed in as somebody else."""
        if caller.id == watch.user or watch.gone:
            return
        if watch.present:
            watch.present = False
            self.presence.leave(watch.feed, watch.user, at_once=True)
        watch.user = caller.id
        await self._enter(watch, caller)

    # Tasks

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside; what goes wrong is logged."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.error("channels.task_failed", error=error)

    async def stop(self) -> None:
        """End every task and hear nothing any more."""
        self.draining = True
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for feed in [*self.feeds.values()]:
            self.close(feed)
