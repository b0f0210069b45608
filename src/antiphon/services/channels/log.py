"""The logs of topics in the store: append and tell in one step, read everything after a position or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal, NamedTuple, cast

from redis.exceptions import NoScriptError

from antiphon.core.channel import AnyChannel, Position
from antiphon.core.clock import Ids
from antiphon.services.channels.frames import Entry
from antiphon.services.channels.messages import TopicKeys
from antiphon.services.channels.settings import ChannelSettings
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_PUBLISH = Script.beside(__file__, "publish.lua")
_READ = Script.beside(__file__, "read.lua")
_RENEW = Script.beside(__file__, "renew.lua")

type Found = Literal["head", "all", "epoch", "window", "tooMany"]
"""What became of a position: nobody asked, everything after it, or why nothing."""

_TOKEN_LETTERS = 12


class Appended(NamedTuple):
    """An event to append: whose topic, what, and a token by which a repeat is known."""

    keys: TopicKeys
    channel: AnyChannel
    entry: Entry
    token: str

    @property
    def is_missed(self) -> bool:
        """Whether watchers have to learn that they missed it."""
        return True


class Answer(NamedTuple):
    """Where a log is, and what came after a position."""

    position: Position
    found: Found
    entries: list[bytes]


class Logs:
    """Every method raises Unavailable when the store is away; a script may have run then or not."""

    def __init__(self, store: Store, settings: ChannelSettings, ids: Ids) -> None:
        self._store = store
        self._settings = settings
        self._ids = ids

    def token(self) -> str:
        """A name for one event, or for one life of a log, that no other has: the random part of an id."""
        return self._ids.uuid7()[-_TOKEN_LETTERS:]

    def name(self, keys: TopicKeys) -> str:
        """The name under which the nodes hear of a topic."""
        return self._store.key(keys.name)

    async def append(self, events: Sequence[Appended], *, again: bool) -> None:
        """Keep events and tell every node, in their order and in one trip; `again` when they may be there already."""
        if len(events) > 1:
            pipeline = self._store.client.pipeline(transaction=False)
            for event in events:
                keys, args = self._publish(event, again=again)
                _ = pipeline.evalsha(_PUBLISH.sha, len(keys), *keys, *args)
            answers = await pipeline.execute(raise_on_error=False)
        else:
            answers: list[Any] = [NoScriptError()]
        for event, answer in zip(events, answers, strict=True):
            if isinstance(answer, NoScriptError):
                keys, args = self._publish(event, again=again)
                await self._store.run(_PUBLISH, keys, args)
            elif isinstance(answer, Exception):
                raise answer

    async def read(
        self, keys: TopicKeys, channel: AnyChannel, since: Position | None, *, trusted: bool = False
    ) -> Answer:
        """Where the log is, and every event after `since`. A log that is not there begins.

        `trusted` is for a place that this node has seen itself: when the log is behind it, the store has lost events,
        and the log begins anew.
        """
        args = [
            self.token(),
            self.head_life(channel),
            since.epoch if since is not None else "",
            since.offset if since is not None else 0,
            self._settings.missed,
            self._settings.missed_bytes,
            self.name(keys) if trusted else "",
        ]
        answer = cast("list[Any]", await self._store.run(_READ, self._keys(keys), args))
        entries = [entry[_TOKEN_LETTERS + 1 :] for entry in answer[3]]
        return Answer(Position(answer[0].decode(), int(answer[1])), answer[2].decode(), entries)

    async def renew(self, keys: TopicKeys, epoch: str, head_life: int) -> None:
        """Begin the log anew under this epoch, because an event may be missing from it, and tell every node.

        A topic without a log is told of as well. Under the epoch that it has already, nothing happens.
        """
        await self._store.run(_RENEW, self._keys(keys), [epoch, head_life, self.name(keys)])

    def head_life(self, channel: AnyChannel) -> int:
        """For how many milliseconds the store remembers where the log of a topic is, after its last event."""
        # The head outlives the log, and nodes that watch keep it alive: a quiet topic keeps its epoch.
        return _millis(channel.replay_for + 4 * self._settings.compare_time)

    def _publish(self, event: Appended, *, again: bool) -> tuple[list[str], list[str | bytes | int]]:
        channel = event.channel
        args: list[str | bytes | int] = [
            self.token(),
            event.entry.before,
            event.entry.after,
            event.token,
            channel.replay,
            _millis(channel.replay_for),
            self.head_life(channel),
            self.name(event.keys),
            "1" if again else "0",
        ]
        return self._keys(event.keys), args

    def _keys(self, keys: TopicKeys) -> list[str]:
        return [self._store.key(key) for key in keys.log]


def _millis(time: timedelta) -> int:
    return max(1, int(time.total_seconds() * 1000))
