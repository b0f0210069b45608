"""Shows events when their call has succeeded, and does not forget whom it could not reach."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from antiphon.core.channel import AnyChannel, Topic
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import TooLarge, Unavailable
from antiphon.core.log import Logger
from antiphon.services.channels.frames import entry_of
from antiphon.services.channels.log import Appended, Logs
from antiphon.services.channels.messages import ASK, LIVE, RENEWED, TopicKeys, ephemeral_message, topic_keys
from antiphon.services.channels.settings import ChannelSettings
from antiphon.services.database.database import Database
from antiphon.services.database.work import Work
from antiphon.stores.base import Store

_FIRST_WAIT, _MOST_WAIT = 0.1, 5.0


class Said(msgspec.Struct, frozen=True):
    """Something to tell the nodes that no log keeps."""

    keys: TopicKeys
    message: bytes
    channel: AnyChannel


class Outgoing:
    """What one call has published: sent after its transaction, forgotten when it fails."""

    __slots__ = ("_items", "_sender")

    def __init__(self, ctx: Context, sender: Sender) -> None:
        self._items: list[Appended | Said] = []
        self._sender = sender
        if ctx.runtime.find(Database) is not None:
            # Steps at the end run in the order in which they were registered, and the commit must come first.
            ctx.get(Work)
        ctx.at_end(self._end)

    def add(self, ctx: Context, topic: Topic[msgspec.Struct], event: msgspec.Struct) -> None:
        """Take an event. It is encoded now, so that it shows what was true when it was published."""
        self._items.append(self._sender.item(ctx.caller.tenant_id, ctx.caller.id, topic, event))

    def ask(self, ctx: Context, topic: Topic[msgspec.Struct], user_id: str) -> None:
        """Have the door asked again."""
        keys = topic_keys(ctx.caller.tenant_id, topic.name)
        self._items.append(Said(keys, ASK + user_id.encode(), topic.channel))

    async def _end(self, error: BaseException | None) -> None:
        items, self._items = self._items, []
        if error is None and items:
            await self._sender.send(items)


class Sender:
    """Sends to the store, for a while; what could not be sent is made up for by telling that it is missing."""

    def __init__(self, store: Store, logs: Logs, settings: ChannelSettings, clock: Clock, log: Logger) -> None:
        self.logs = logs
        self.settings = settings
        self.lost_events = 0
        self._store = store
        self._clock = clock
        self._log = log
        self._lost: dict[str, tuple[TopicKeys, AnyChannel]] = {}
        self._telling: asyncio.Task[None] | None = None

    def item(
        self, tenant_id: str, user_id: str, topic: Topic[msgspec.Struct], event: msgspec.Struct
    ) -> Appended | Said:
        """An event as it is sent, for the watchers in this tenant. Raises TooLarge, and TypeError for a foreign one."""
        channel, kind = topic.channel, type(event)
        keys = topic_keys(tenant_id, topic.name)
        if kind not in channel.events and kind not in channel.ephemeral:
            raise TypeError(f"{channel.where}: {channel.name} has no event {kind.__name__}")
        entry = entry_of(event)
        if len(entry.plain) > self.settings.event_bytes:
            raise TooLarge(f"An event has {self.settings.event_bytes} bytes at most.")
        if kind in channel.ephemeral:
            return Said(keys, ephemeral_message(user_id, entry.plain), channel)
        if channel.replay:
            return Appended(keys, channel, entry, self.logs.token())
        return Said(keys, LIVE + entry.plain, channel)

    async def send(self, items: Sequence[Appended | Said]) -> None:
        """Tell the nodes, in order. It never raises: the call has succeeded, whatever becomes of this."""
        kept = [item for item in items if isinstance(item, Appended)]
        said = [item for item in items if isinstance(item, Said)]
        if kept and not await self._append(kept):
            self._lose(kept)
        if said:
            try:
                await self._say(said)
            except Unavailable:
                self._lose(said)

    async def _append(self, events: Sequence[Appended]) -> bool:
        wait, again = _FIRST_WAIT, False
        try:
            async with asyncio.timeout(self.settings.publish_time.total_seconds()):
                while True:
                    try:
                        await self.logs.append(events, again=again)
                    except Unavailable:
                        again = True
                        await self._clock.sleep(wait)
                        wait *= 2
                    else:
                        return True
        except TimeoutError:
            return False

    async def _say(self, said: Sequence[Said]) -> None:
        pipeline = self._store.client.pipeline(transaction=False)
        for item in said:
            _ = pipeline.publish(self.logs.name(item.keys), item.message)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        await pipeline.execute()

    def _lose(self, items: Sequence[Appended | Said]) -> None:
        self.lost_events += len(items)
        for item in items:
            self._lost[item.keys.name] = (item.keys, item.channel)
        topics = sorted({item.channel.name for item in items})
        self._log.warning("channels.events_lost", events=len(items), channels=topics)
        while len(self._lost) > self.settings.lost:
            self._log.error("channels.loss_forgotten", topic=self._lost.pop(next(iter(self._lost)))[0].name)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        wait = _FIRST_WAIT
        while self._lost:
            name, (keys, channel) = next(iter(self._lost.items()))
            try:
                if channel.replay:
                    await self.logs.renew(keys, channel)
                else:
                    await self._say([Said(keys, RENEWED, channel)])
            except Unavailable:
                await self._clock.sleep(wait)
                wait = min(_MOST_WAIT, wait * 2)
            else:
                self._lost.pop(name, None)

    async def stop(self) -> None:
        """Try no longer."""
        if self._telling is not None:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)
