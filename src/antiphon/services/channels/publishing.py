"""Shows events when their call has succeeded: sends them to the store, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import msgspec

from antiphon.core.channel import AnyChannel, Topic
from antiphon.core.clock import Clock
from antiphon.core.context import Context
from antiphon.core.errors import TooLarge, Unavailable
from antiphon.services.channels.frames import entry_of
from antiphon.services.channels.log import Appended, Logs
from antiphon.services.channels.losses import Losses
from antiphon.services.channels.messages import ASK, LIVE, TopicKeys, ephemeral_message, topic_keys
from antiphon.services.channels.settings import ChannelSettings
from antiphon.services.database.database import Database
from antiphon.services.database.ends import Outcome
from antiphon.services.database.work import Work
from antiphon.stores.base import Store

_FIRST_WAIT = 0.1


class Said(msgspec.Struct, frozen=True):
    """Something to tell the nodes that no log keeps."""

    keys: TopicKeys
    message: bytes
    channel: AnyChannel


type Item = Appended | Said
"""Something to send."""


class Outgoing:
    """What one call has published: sent when its transaction has committed, forgotten when that is undone.

    Without a database, when the call has ended well.
    """

    __slots__ = ("_items", "_sender", "_work")

    def __init__(self, ctx: Context, sender: Sender) -> None:
        self._items: list[Item] = []
        self._sender = sender
        self._work = ctx.get(Work) if ctx.runtime.find(Database) is not None else None
        if self._work is None:
            ctx.at_end(self._call_ended)

    def add(self, ctx: Context, topic: Topic[msgspec.Struct], event: msgspec.Struct) -> None:
        """Take an event. It is encoded now, so that it shows what was true when it was published."""
        self._take(self._sender.item(ctx.caller.tenant_id, ctx.caller.id, topic, event))

    def ask(self, ctx: Context, topic: Topic[msgspec.Struct], user_id: str) -> None:
        """Have the door asked again."""
        keys = topic_keys(ctx.caller.tenant_id, topic.name)
        self._take(Said(keys, ASK + user_id.encode(), topic.channel))

    def _take(self, item: Item) -> None:
        if self._work is not None:
            self._work.when_ended(self._transaction_ended, item)
        else:
            self._items.append(item)

    async def _transaction_ended(self, items: Sequence[Item], outcome: Outcome) -> None:
        if outcome == "committed":
            await self._sender.send(items)
        else:
            await self._sender.losses.lose(items)

    async def _call_ended(self, error: BaseException | None) -> None:
        items, self._items = self._items, []
        if error is None and items:
            await self._sender.send(items)


class Sender:
    """Sends to the store, for a while; what could not be sent is made up for by telling that it is missing."""

    def __init__(self, store: Store, logs: Logs, losses: Losses, settings: ChannelSettings, clock: Clock) -> None:
        self.logs = logs
        self.losses = losses
        self.settings = settings
        self._store = store
        self._clock = clock
        self._sending: set[asyncio.Task[None]] = set()

    def item(self, tenant_id: str, user_id: str, topic: Topic[msgspec.Struct], event: msgspec.Struct) -> Item:
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

    async def send(self, items: Sequence[Item]) -> None:
        """Tell the nodes, in order. The call has succeeded, whatever becomes of this: it fails for nothing here.

        A call that is cancelled meanwhile does not take its events with it.
        """
        sending = asyncio.create_task(self._send(items))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)
        await asyncio.shield(sending)

    @property
    def sending(self) -> int:
        """How many calls have events on their way."""
        return len(self._sending)

    async def stop(self) -> None:
        """Wait for what is being sent, which takes a bounded time."""
        await asyncio.gather(*self._sending, return_exceptions=True)

    async def _send(self, items: Sequence[Item]) -> None:
        kept = [item for item in items if isinstance(item, Appended)]
        said = [item for item in items if isinstance(item, Said)]
        if kept and not await self._append(kept):
            await self.losses.lose(kept)
        if said:
            try:
                await self._say(said)
            except Unavailable:
                await self.losses.lose(said)

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
