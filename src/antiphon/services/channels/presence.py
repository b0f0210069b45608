"""Who of this node is on which topic, as the store knows it; and the leases by which a lost node is noticed."""

# A user is entered once per node, by the first of their connections, and taken out when the last one has been gone for
# the grace. The store counts the nodes of a user: the first entry is announced, and the last one's end.
#
#     connections   entered   then
#     some          no        enter, at once
#     none          yes       take out, when the grace is over; at once after an unsubscribe, a proper close, a sign-out
#     some          yes       nothing, and a grace that ran is over
#
# A node holds one lease for all of its entries. Who holds none does not count: whichever node notices takes its entries
# out. A node that finds its own lease lost, because it stood still for too long, enters its users again.

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, cast

from antiphon.core.channel import MemberNames
from antiphon.core.clock import Clock
from antiphon.core.errors import Unavailable
from antiphon.services.channels.feed import Feed
from antiphon.services.channels.frames import Frame, Member, member_bytes
from antiphon.services.channels.messages import NODES, TopicKeys
from antiphon.services.channels.settings import ChannelSettings
from antiphon.stores.base import Store
from antiphon.stores.script import Script

_JOIN = Script.beside(__file__, "join.lua")
_LEAVE = Script.beside(__file__, "leave.lua")
_MEMBERS = Script.beside(__file__, "members.lua")
_LEASE = Script.beside(__file__, "lease.lua")


class Attendance:
    """One user of this node on one topic."""

    __slots__ = ("connections", "entered", "keys", "leave_at", "lock", "member", "version")

    def __init__(self, keys: TopicKeys, member: Member) -> None:
        self.keys = keys
        self.member = member
        self.connections = 0
        self.entered = False
        self.leave_at = 0.0
        self.version = 0
        self.lock = asyncio.Lock()


class Presence:
    """Every method that waits raises Unavailable when the store is away."""

    def __init__(
        self, node: str, store: Store, settings: ChannelSettings, clock: Clock, names: MemberNames | None
    ) -> None:
        self._node = node
        self._store = store
        self._clock = clock
        self._names = names
        self._grace = settings.grace_time.total_seconds()
        self._lease = _millis(settings.lease_time)
        self._life = _millis(max(4 * settings.lease_time, 10 * settings.compare_time))
        self._here: dict[tuple[str, str], Attendance] = {}
        self._leaving: dict[tuple[str, str], Attendance] = {}
        self._leased = False

    # This node's own

    async def enter(self, feed: Feed, user_id: str) -> int:
        """One more connection of this user; the version of the list in which the user stands."""
        key = (feed.keys.name, user_id)
        attendance = self._here.get(key)
        if attendance is None:
            since = self._clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
            attendance = self._here[key] = Attendance(feed.keys, Member(user_id, "", since))
        attendance.connections += 1
        self._leaving.pop(key, None)
        try:
            async with attendance.lock:
                if not attendance.entered:
                    await self._enter(attendance)
        except BaseException:
            self.leave(feed, user_id, at_once=True)
            raise
        return attendance.version

    def leave(self, feed: Feed, user_id: str, *, at_once: bool) -> None:
        """One connection less."""
        key = (feed.keys.name, user_id)
        attendance = self._here[key]
        attendance.connections -= 1
        if attendance.connections <= 0:
            attendance.leave_at = self._clock.monotonic() + (0.0 if at_once else self._grace)
            self._leaving[key] = attendance

    async def settle(self) -> None:
        """Take out whose grace is over."""
        now = self._clock.monotonic()
        for key, attendance in [*self._leaving.items()]:
            if attendance.leave_at > now or attendance.connections > 0:
                continue
            async with attendance.lock:
                # Somebody may have come back while the lock was waited for.
                if attendance.connections > 0:
                    continue
                await self._take_out(attendance.keys, attendance.member.id, [self._node])
                attendance.entered = False
                if attendance.connections <= 0:
                    self._leaving.pop(key, None)
                    self._here.pop(key, None)
                    continue
            # Or while the store was asked: then the user is entered again, by whoever waits for the lock.

    async def renew(self) -> None:
        """Renew the lease; when it was lost, enter everybody again."""
        if not self._leased and not self._here:
            return
        answer = await self._lease_of(self._lease)
        lost, self._leased = self._leased and not answer[0], True
        if lost:
            for attendance in [*self._here.values()]:
                async with attendance.lock:
                    if attendance.entered:
                        await self._enter(attendance)

    async def end(self) -> None:
        """The node is about to end: its users have the grace to come back on another one."""
        if self._leased:
            await self._lease_of(_millis(timedelta(seconds=self._grace)) + 1)

    # Everybody's

    async def read(self, feed: Feed) -> Frame | None:
        """Read the list of a topic again; the frame that tells it, if it is news."""
        roster = feed.roster
        if roster is None:
            return None
        roster.looks()
        try:
            version, members, nodes = await self._list(feed.keys, roster.version)
        except BaseException:
            roster.stale = True
            raise
        return roster.read(version, members, nodes)

    async def members(self, keys: TopicKeys) -> list[bytes]:
        """The list of a topic that nobody on this node watches; entries of lost nodes are taken out first."""
        _, members, nodes = await self._list(keys, 0)
        lost = await self._lost({node for text in nodes for node in text.decode().split(" ")})
        if not lost:
            return members
        await self._take_out(keys, "", lost)
        return (await self._list(keys, 0))[1]

    async def look(self, feeds: Iterable[Feed]) -> None:
        """Take out the entries of nodes that hold no lease."""
        # Their nodes first and the leases second: a node takes its lease before its first entry.
        entered = {feed: feed.roster.nodes - {self._node, "-"} for feed in feeds if feed.roster is not None}
        lost = set(await self._lost({node for nodes in entered.values() for node in nodes}))
        for feed, nodes in entered.items():
            gone = nodes & lost
            if gone and feed.roster is not None:
                await self._take_out(feed.keys, "", gone)
                feed.roster.nodes -= gone

    async def keep(self, feed: Feed) -> None:
        """Keep the list alive while somebody watches."""
        pipeline = self._store.client.pipeline(transaction=False)
        for key in self._keys(feed.keys):
            pipeline.pexpire(key, self._life)
        await pipeline.execute()

    async def _enter(self, attendance: Attendance) -> None:
        if not self._leased:
            await self._lease_of(self._lease)
            self._leased = True
        if self._names is not None and not attendance.member.name:
            name = await self._names.name_of(attendance.member.id)
            attendance.member = Member(attendance.member.id, name, attendance.member.since)
        # Before it is sent: after an answer that never came the entry may be there, and has to be taken out.
        attendance.entered = True
        member = attendance.member
        args = [self._life, self._store.key(attendance.keys.name), self._node, member.id, member_bytes(member)]
        try:
            attendance.version = int(await self._store.run(_JOIN, self._keys(attendance.keys), args))
        except Unavailable:
            attendance.entered = False
            raise

    async def _take_out(self, keys: TopicKeys, user_id: str, nodes: Iterable[str]) -> None:
        await self._store.run(_LEAVE, self._keys(keys), [self._life, self._store.key(keys.name), user_id, *nodes])

    async def _list(self, keys: TopicKeys, seen: int) -> tuple[int, list[bytes], list[bytes]]:
        answer = cast("list[Any]", await self._store.run(_MEMBERS, self._keys(keys), [self._life, seen]))
        return int(answer[0]), answer[1], answer[2]

    async def _lost(self, nodes: set[str]) -> list[str]:
        nodes = nodes - {self._node, "-"}
        if not nodes:
            return []
        answer = await self._lease_of(None)
        return [*(nodes - {node.decode() for node in answer[1]})]

    async def _lease_of(self, life: int | None) -> tuple[bool, list[bytes]]:
        args = [self._node, life or "", self._life]
        answer = cast("list[Any]", await self._store.run(_LEASE, [self._store.key(NODES)], args))
        return bool(answer[0]), answer[1]

    def _keys(self, keys: TopicKeys) -> list[str]:
        return [self._store.key(key) for key in keys.presence]


def _millis(time: timedelta) -> int:
    return int(time.total_seconds() * 1000)
