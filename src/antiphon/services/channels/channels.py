"""Channels as actions and transports use them: publish, positions, members, and the hub behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from antiphon.core.channel import MemberNames, Position, Publisher, Topic
from antiphon.core.clock import Clock, Ids
from antiphon.core.context import Context
from antiphon.core.errors import NotFound
from antiphon.core.log import Logger
from antiphon.core.revocation import Revocations, Revoked
from antiphon.core.runtime import Runtime
from antiphon.core.service import Background
from antiphon.services.channels.frames import Member
from antiphon.services.channels.hub import Hub, Parts
from antiphon.services.channels.keeper import Keeper
from antiphon.services.channels.kept import KeptLosses
from antiphon.services.channels.log import Logs
from antiphon.services.channels.losses import Losses
from antiphon.services.channels.messages import topic_keys
from antiphon.services.channels.presence import Presence
from antiphon.services.channels.publishing import Outgoing, Sender
from antiphon.services.channels.settings import ChannelSettings
from antiphon.services.channels.watching import Watch, Watcher
from antiphon.stores.base import Store
from antiphon.stores.relay import Relay

_members = msgspec.json.Decoder(list[Member]).decode


class Channels(Publisher, Background):
    """Shows events to whoever watches, on every node."""

    def __init__(
        self,
        store: Store,
        relay: Relay,
        settings: ChannelSettings,
        clock: Clock,
        ids: Ids,
        log: Logger,
        *,
        names: MemberNames | None = None,
        revocations: Revocations | None = None,
        kept: KeptLosses | None = None,
    ) -> None:
        self.settings = settings
        self._logs = Logs(store, settings, ids)
        self._presence = Presence(relay.node, store, settings, clock, names)
        self.hub = Hub(Parts(relay, self._logs, self._presence, settings, clock, log))
        self.losses = Losses(self._logs, kept, settings, clock, log)
        self.sender = Sender(store, self._logs, self.losses, settings, clock, log)
        self._keeper: Keeper | None = None
        self._revocations = revocations
        self._forget: Callable[[], None] | None = None

    # For actions

    async def publish(self, ctx: Context, topic: Topic[Any], event: msgspec.Struct) -> None:
        await ctx.identify()
        ctx.get(Outgoing).add(ctx, topic, event)

    async def show(self, tenant_id: str, events: Iterable[tuple[Topic[Any], msgspec.Struct]]) -> None:
        """Show events at once, in their order, to the watchers in a tenant: for services, which have no call.

        It never raises for a store that is away. Raises TooLarge for an event over `channels.event_bytes`.
        """
        await self.sender.send([self.sender.item(tenant_id, "", topic, event) for topic, event in events])

    async def ask_again(self, ctx: Context, topic: Topic[Any], user_id: str) -> None:
        await ctx.identify()
        ctx.get(Outgoing).ask(ctx, topic, user_id)

    async def position(self, ctx: Context, topic: Topic[Any]) -> Position:
        if not topic.channel.replay:
            raise TypeError(f"{topic.channel.where}: {topic.channel.name} keeps no events. Give it replay=…")
        caller = await ctx.identify()
        return (await self._logs.read(topic_keys(caller.tenant_id, topic.name), topic.channel, None)).position

    async def members(self, ctx: Context, topic: str) -> tuple[list[Member], int]:
        """Who is on a topic: the first `channels.members` of them, and how many there are. Its door is asked first.

        Raises NotFound for a topic without presence, and what the door raises.
        """
        channel, arguments = ctx.runtime.channels.find(topic)
        if not channel.presence:
            raise NotFound("There is no such topic.")
        caller = await ctx.identify()
        await channel.door(ctx, **arguments)
        found = await self._presence.members(topic_keys(caller.tenant_id, topic))
        members = sorted(_members(b"[" + b",".join(found) + b"]"), key=lambda member: member.since)
        return members[: self.settings.members], len(members)

    # For transports

    async def subscribe(self, ctx: Context, topic: str, watcher: Watcher, since: Position | None = None) -> Watch:
        """Let a connection watch a topic: see `Hub.subscribe`."""
        if self._keeper is None:
            self._keeper = Keeper(self.hub)
            self._keeper.start()
            if self._revocations is not None:
                # Ended sessions and users close sockets, which the transports do; here are only the doors.
                self._forget = self._revocations.subscribe(self._revoked)
        return await self.hub.subscribe(ctx, topic, watcher, since)

    def unsubscribe(self, watcher: Watcher, topic: str) -> bool:
        """Watch a topic no longer. Whether it was watched."""
        return self.hub.unsubscribe(watcher, topic)

    def drop(self, watcher: Watcher, *, at_once: bool = False) -> None:
        """The connection has ended; `at_once` after close 1000 and a sign-out, else its user has the grace."""
        self.hub.drop(watcher, at_once=at_once)

    def ask_watcher(self, watcher: Watcher) -> None:
        """Somebody has signed in on this connection, or shown a new token: its doors are asked again."""
        self.hub.ask_watcher(watcher)

    def drain(self) -> None:
        """Take no new watchers: the node is about to end. Those that are there stay until they are dropped."""
        self.hub.draining = True

    def _revoked(self, revoked: Revoked) -> None:
        if revoked.what == "rights":
            self.hub.ask_user(revoked.id)
        elif revoked.what == "unknown":
            self.hub.ask_user(None)

    async def begin(self, runtime: Runtime) -> None:
        """Begin to tell of events that other processes have lost, and could not tell of before they ended."""
        self.losses.begin()

    async def close(self) -> None:
        """End everything; users have the grace to come back on another node."""
        if self._forget is not None:
            self._forget()
        await self.hub.stop()
        await self.sender.stop()
        await self.losses.stop()
        await self._presence.end()
