"""Who is present on a topic: a list, and the changes that come after it, merged by their version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from antiphon.client.telling import tell
from antiphon.client.told import Member, Presence


class Members:
    """The members of one topic. A change with a version that was passed is ignored."""

    def __init__(self, on_presence: Callable[[Presence], None] | None) -> None:
        self._on_presence = on_presence
        self._members: dict[str, Member] | None = None
        self._version = 0
        self.count = 0
        """How many are there."""

    @property
    def listing(self) -> tuple[Member, ...] | None:
        """Who is there, or the first of them; None where nobody said."""
        return None if self._members is None else tuple(self._members.values())

    def put(self, told: object, count: int | None, version: int) -> None:
        """Take the whole list, as a subscribe answers it: whatever the version was before, it begins anew."""
        now = _by_id(told)
        before = self._members if self._members is not None else now
        self._members = now
        joined = tuple(member for who, member in now.items() if who not in before)
        left = tuple(member for who, member in before.items() if who not in now)
        self._tell(version, count, joined, left)

    def change(self, told: dict[str, Any]) -> None:
        """Take a presence frame."""
        version = told["version"]
        if self._members is None or version <= self._version:
            return
        if "members" in told:
            self.put(told["members"], None, version)
            return
        joined, left = _by_id(told.get("joined", ())), _by_id(told.get("left", ()))
        for who in left:
            self._members.pop(who, None)
        self._members |= joined
        self._tell(version, told.get("count"), joined.values(), left.values())

    def _tell(self, version: int, count: int | None, joined: Iterable[Member], left: Iterable[Member]) -> None:
        members = self.listing or ()
        self._version = version
        self.count = len(members) if count is None else count
        tell(self._on_presence, Presence(version, self.count, members, tuple(joined), tuple(left)))


def _by_id(told: object) -> dict[str, Member]:
    return {member.id: member for member in msgspec.convert(told, list[Member])}
