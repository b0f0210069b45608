"""Who is on one topic, as one node knows it: the list, what has changed since it was told, and holes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
from msgspec import Raw

from antiphon.services.channels.frames import Change, Frame, Member, presence_frame
from antiphon.services.channels.messages import PresenceTold

_member = msgspec.json.Decoder(Member).decode


class Roster:
    """The members by id, as JSON, those who came first standing first."""

    __slots__ = (
        "_ahead",
        "_joined",
        "_left",
        "_most",
        "_shown",
        "_topic",
        "_waiting",
        "members",
        "nodes",
        "stale",
        "version",
    )

    def __init__(self, topic: str, most: int) -> None:
        self.version = 0
        self.members: dict[str, bytes] = {}
        self.nodes: set[str] = set()
        self.stale = True
        self._ahead = 0
        self._topic = topic
        self._most = most
        self._joined: dict[str, bytes] = {}
        self._left: dict[str, bytes] = {}
        self._shown = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def known(self) -> bool:
        """Whether the list has been read at all."""
        return self.version > 0

    @property
    def behind(self) -> bool:
        """Whether the list has to be read again: messages may be missing, or one was heard from behind a hole."""
        return self.stale or self._ahead > self.version

    def heard(self, told: PresenceTold) -> None:
        """Somebody came or went."""
        if not self.known:
            return
        self.nodes.add(told.node)
        if told.what == b"n" or told.version <= self.version:
            return
        if told.version != self.version + 1:
            self._ahead = max(self._ahead, told.version)
            return
        self._move_to(told.version)
        who = _member(told.member).id
        if told.what == b"j":
            self.members[who] = told.member
            if self._left.pop(who, None) is None:
                self._joined[who] = told.member
        else:
            self.members.pop(who, None)
            if self._joined.pop(who, None) is None:
                self._left[who] = told.member

    def looks(self) -> None:
        """The list is about to be read: what is heard or missed from now on may not be in what is read."""
        self._ahead = 0
        self.stale = False

    def read(self, version: int, members: Iterable[bytes], nodes: Iterable[bytes]) -> Frame | None:
        """The list as the store has it; the frame that says so to those who watch, if it is news."""
        if version < self.version:
            return None
        first = not self.known
        by_since = sorted(((_member(member), member) for member in members), key=lambda both: both[0].since)
        news = version > self.version
        self._move_to(version)
        self.members = {member.id: text for member, text in by_since}
        self.nodes.update(node for text in nodes for node in text.decode().split(" "))
        if first or not news:
            return None
        return self._whole()

    async def reached(self, version: int) -> None:
        """Return when the list is this new."""
        if self.version < version:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append((version, waiting))
            await waiting

    def _move_to(self, version: int) -> None:
        self.version = version
        due = [waiting for at, waiting in self._waiting if at <= version]
        if due:
            self._waiting = [each for each in self._waiting if each[0] > version]
            for waiting in due:
                if not waiting.done():
                    waiting.set_result(None)

    def flush(self) -> Frame | None:
        """One frame of everything that has changed since the last one, or None."""
        joined, self._joined = self._joined, {}
        left, self._left = self._left, {}
        if not joined and not left:
            return None
        too_many, were_too_many = len(self.members) > self._most, self._shown > self._most
        self._shown = len(self.members)
        if too_many or were_too_many:
            return self._whole()
        return presence_frame(self._topic, Change(self.version, joined, left))

    def listing(self) -> list[Raw]:
        """The members, the first ones if there are too many."""
        return [Raw(member) for member in self._first()]

    def _first(self) -> tuple[bytes, ...]:
        if len(self.members) <= self._most:
            return (*self.members.values(),)
        return tuple(member for member, _ in zip(self.members.values(), range(self._most), strict=False))

    def _whole(self) -> Frame:
        self._joined, self._left = {}, {}
        self._shown = len(self.members)
        if len(self.members) > self._most:
            return presence_frame(self._topic, Change(self.version, {}, {}, count=len(self.members)))
        return presence_frame(self._topic, Change(self.version, {}, {}, members=self._first()))
