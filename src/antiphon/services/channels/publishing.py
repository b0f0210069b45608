"""Shows events at the end of their call: sends them to the store, for a while."""

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
from antiphon.services.channels.losses import Losses
from antiphon.services.channels.messages import ASK, EPHEMERAL_LETTER, LIVE, TopicKeys, ephemeral_message, topic_keys
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

    @property
    def is_missed(self) -> bool:
        """Whether watchers have to learn that they missed it: nobody's state depends on an ephemeral event."""
        return self.message[0] != EPHEMERAL_LETTER


type Item = Appended | Said
"""Something to send."""


class Outgoing:
    """What one call has published. It goes out at the end of the call, if the transaction it was part of has committed.

    Without a database, if the call has ended well.
    """

    __slots__ = ("_due", "_lost", "_sender", "_work")

    def __init__(self, ctx: Context, sender: Sender) -> None:
        self._due: list[Item] = []
        self._lost: list[Item] = []
        self._sender = sender
        # Steps at the end run in the order in which they were registered, and the commit must come first.
        self._work = ctx.get(Work) if ctx.runtime.find(Database) is not None else None
        ctx.at_end(self._end)

    def add(self, ctx: Context, topic: Topic[msgspec.Struct], event: msgspec.Struct) -> None:
        """Take an event. It is encoded now, so that it shows what was true when it was published."""
        self._take(self._sender.item(ctx.caller.tenant_id, ctx.caller.id, topic, event))

    def ask(self, ctx: Context, topic: Topic[msgspec.Struct], user_id: str) -> None:
        """Have the door asked again."""
        keys = topic_keys(ctx.caller.tenant_id, topic.name)
        self._take(Said(keys, ASK + user_id.encode(), topic.channel))

    def _take(self, item: Item) -> None:
        if self._work is None:
            self._due.append(item)
        else:
            self._work.when_ended(self._transaction_ended, item)

    def _transaction_ended(self, items: Sequence[Item], outcome: Outcome) -> None:
        (self._due if outcome == "committed" else self._lost).extend(items)

    async def _end(self, error: BaseException | None) -> None:
        try:
            if self._work is None and error is not None:
                self._due.clear()
            elif self._work is not None and error is None:
                # What was published behind the last commit, by a callback or another step, waits for none.
                await self._work.commit()
        finally:
            due, self._due = self._due, []
            lost, self._lost = self._lost, []
            if due or lost:
                await self._sender.send(due, lost)


class Sender:
    """Sends to the store, for a while; what could not be sent is made up for by telling that it is missing."""

    def __init__(
        self, store: Store, logs: Logs, losses: Losses, settings: ChannelSettings, clock: Clock, log: Logger
    ) -> None:
        self.logs = logs
        self.losses = losses
        self.settings = settings
        self._store = store
        self._clock = clock
        self._log = log
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

    async def send(self, items: Sequence[Item], lost: Sequence[Item] = ()) -> None:
        """Tell the nodes, in order; of what is `lost` already, that it is missing.

        What was to be told has happened, whatever becomes of this: it fails for nothing here, and a call that is
        cancelled meanwhile does not take its events with it.
        """
        sending = asyncio.create_task(self._send(items, [*lost]))
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

    async def _send(self, items: Sequence[Item], lost: list[Item]) -> None:
        kept = [item for item in items if isinstance(item, Appended)]
        said = [item for item in items if isinstance(item, Said)]
        if kept and not await self._append(kept):
            lost += kept
        if said and not await self._say(said):
            lost += said
        if lost:
            await self.losses.lose(lost)

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
        except Exception as error:  # noqa: BLE001  # whatever the store has against it, the watchers must learn of it
            self._log.error("channels.event_refused", error=error)
            return False

    async def _say(self, said: Sequence[Said]) -> bool:
        pipeline = self._store.client.pipeline(transaction=False)
        for item in said:
            _ = pipeline.publish(self.logs.name(item.keys), item.message)  # pyright: ignore[reportUnknownMemberType]  # redis-py leaves it untyped
        try:
            await pipeline.execute()
        except Unavailable:
            # It may have been told, and nobody would know it for a repeat.
            return False
        except Exception as error:  # noqa: BLE001  # as above
            self._log.error("channels.event_refused", error=error)
            return False
        return True
