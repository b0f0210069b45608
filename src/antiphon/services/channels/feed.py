"""One topic on one node: its watchers, its place in the log, and how a hole is found and filled."""

# A node's place in a log is (epoch, offset). A kept event that comes over the relay is compared with it:
#
#     the event is                       then
#     the next one                       shown
#     at or below the place              dropped: it was shown
#     above the next one                 mend
#     of another epoch                   mend
#
# Mending reads everything after the place. All of it: shown in order. Nothing, because the log has begun anew or does
# not reach back: every watcher gets `reset` and goes on from the answered place. Events that arrive while this mends
# need not be kept: they are in the log, so it is enough to know that there was one above (`behind`) and to read again.

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from antiphon.core.channel import AnyChannel, Position
from antiphon.services.channels.frames import Frame, ephemeral_frame, event_frame, reset_frame, topic_head
from antiphon.services.channels.log import Answer
from antiphon.services.channels.messages import (
    ASK_LETTER,
    EPHEMERAL_LETTER,
    KEPT_LETTER,
    LIVE_LETTER,
    PRESENCE_LETTER,
    RENEWED_LETTER,
    TopicKeys,
    read_ephemeral,
    read_kept,
    read_presence,
)
from antiphon.services.channels.roster import Roster
from antiphon.services.channels.watching import Watch

if TYPE_CHECKING:
    from antiphon.services.channels.watching import Watcher


class Owner(Protocol):
    """What a feed asks of the hub: the things that have to wait."""

    def mend(self, feed: Feed) -> None:
        """Read the log and the list again."""
        ...

    def changed(self, feed: Feed) -> None:
        """Somebody came or went."""
        ...

    def ask(self, feed: Feed, user_id: str) -> None:
        """Ask the door again for this user."""
        ...


class Feed:
    """A topic that this node hears. It never waits."""

    __slots__ = (
        "_ahead",
        "_each",
        "_head",
        "channel",
        "keys",
        "live",
        "lock",
        "mending",
        "owner",
        "place",
        "ready",
        "roster",
        "stale",
        "tenant_id",
        "topic",
        "waiting",
    )

    def __init__(
        self,
        topic: str,
        tenant_id: str,
        channel: AnyChannel,
        keys: TopicKeys,
        *,
        owner: Owner,
        most_members: int,
    ) -> None:
        self.topic = topic
        self.tenant_id = tenant_id
        self.channel = channel
        self.keys = keys
        self.owner = owner
        self.lock = asyncio.Lock()
        self.place: Position | None = None
        self.mending = False
        self.stale = False
        self.ready = False
        self.live: dict[Watcher, Watch] = {}
        self.waiting: dict[Watch, None] = {}
        self.roster = Roster(topic, most_members) if channel.presence else None
        self._head = topic_head(topic)
        self._each: tuple[Watcher, ...] | None = None
        self._ahead: Position | None = None

    def __len__(self) -> int:
        return len(self.live) + len(self.waiting)

    @property
    def kept(self) -> bool:
        """Whether the topic has a log."""
        return self.channel.replay > 0

    def watches(self) -> list[Watch]:
        """Every watch."""
        return [*self.live.values(), *self.waiting]

    # Who watches

    def hold(self, watch: Watch) -> None:
        """Let a watch wait: from now on it misses nothing."""
        self.live.pop(watch.watcher, None)
        self._each = None
        self.waiting[watch] = None

    def settle(self, watch: Watch) -> None:
        """Make a watch live as soon as the node's place has reached what it was told."""
        if watch not in self.waiting or not watch.began:
            return
        if self.kept and (self.place is None or self.place.offset < watch.answered):
            return
        del self.waiting[watch]
        self.live[watch.watcher] = watch
        self._each = None

    def remove(self, watch: Watch) -> None:
        """Show it nothing more."""
        watch.gone = True
        watch.held.clear()
        self.waiting.pop(watch, None)
        if self.live.get(watch.watcher) is watch:
            del self.live[watch.watcher]
            self._each = None

    # What the relay says

    def heard(self, message: bytes) -> None:
        """A message about this topic."""
        letter = message[0]
        if letter == KEPT_LETTER:
            self._heard_kept(message)
        elif letter == LIVE_LETTER:
            self.show(None, event_frame(self._head, message[1:]))
        elif letter == EPHEMERAL_LETTER:
            sender, entry = read_ephemeral(message)
            self.show(None, ephemeral_frame(self._head, entry, self.topic, sender))
        elif letter == PRESENCE_LETTER:
            if self.roster is not None:
                self.roster.heard(read_presence(message))
                self.owner.changed(self)
        elif letter == ASK_LETTER:
            self.owner.ask(self, message[1:].decode())
        elif letter == RENEWED_LETTER:
            self.missed()

    def missed(self) -> None:
        """Messages may be missing."""
        self.stale = True
        if self.roster is not None:
            self.roster.stale = True
        self.owner.mend(self)

    def compare(self, position: Position) -> None:
        """The store says where the log is; a place behind it, or in another log, is mended."""
        if self.place is not None and position != self.place:
            self._ahead = position
            self.owner.mend(self)

    def _heard_kept(self, message: bytes) -> None:
        position, entry = read_kept(message)
        place = self.place
        if place is None or self.mending:
            self._ahead = position
        elif position.epoch == place.epoch and position.offset <= place.offset:
            return
        elif position.epoch == place.epoch and position.offset == place.offset + 1:
            self._next(position, entry)
        else:
            self._ahead = position
            self.owner.mend(self)

    def _next(self, position: Position, entry: bytes) -> None:
        self.place = position
        self.show(position.offset, event_frame(self._head, entry))
        for watch in [*self.waiting]:
            self.settle(watch)

    # Mending

    def looks(self) -> None:
        """The log is about to be read: what is heard from now on may be above what is read."""
        self._ahead = None
        self.stale = False

    def read(self, answer: Answer) -> None:
        """What the log says after the node's place."""
        place = self.place
        if place is None:
            self.place = answer.position
        elif answer.found == "all":
            for number, entry in enumerate(answer.entries, place.offset + 1):
                # What went on meanwhile was heard in order and is not shown again.
                if number > (self.place or place).offset:
                    self._next(Position(place.epoch, number), entry)
        else:
            self._begin_anew(answer.position)
        for watch in [*self.waiting]:
            self.settle(watch)

    @property
    def behind(self) -> bool:
        """Whether the log or the list has to be read again: for what was heard since, or may not have been."""
        ahead, now = self._ahead, self.place
        above = ahead is not None and now is not None and (ahead.epoch != now.epoch or ahead.offset > now.offset)
        return above or self.stale or (self.roster is not None and self.roster.behind)

    def lost(self) -> None:
        """Messages were missed on a topic that keeps none."""
        self.stale = False
        self.show(None, reset_frame(self.topic, None))

    def _begin_anew(self, position: Position) -> None:
        self.place = position
        frame = reset_frame(self.topic, position)
        for watcher in self._watchers():
            watcher.deliver(frame)
        for watch in self.waiting:
            known = watch.answer.epoch == position.epoch and watch.answered >= position.offset
            if not known:
                watch.take(None, frame)

    def show(self, offset: int | None, frame: Frame) -> None:
        """Give a frame to everybody."""
        for watcher in self._watchers():
            watcher.deliver(frame)
        if self.waiting:
            for watch in [*self.waiting]:
                watch.take(offset, frame)

    def _watchers(self) -> tuple[Watcher, ...]:
        each = self._each
        if each is None:
            each = self._each = tuple(self.live)
        return each
