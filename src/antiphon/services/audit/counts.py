"""Keeps a flood of refusals from becoming a flood of rows: what repeats within a minute is counted in one row."""

# What is recorded of refusals, limits and looks beyond a tenant can be made to happen as often as somebody likes. So
# each kind of it (the same actor, action, object and outcome; of anonymous callers also the same address) has a window
# of a minute from its first on:
#
#     the first of a window      a row, as soon as it can be written
#     those after it             counted, in memory
#     the end of the window      one more row with `times`, if there were any; and one whenever a process ends in order
#     a kind over the bound      is counted with those of other callers, under the actor `others`
#
# So a process writes two rows a minute for each of `most` kinds and, for what is over that, two for each action and
# outcome. A process that is killed loses counts of up to a minute, and never the first.

from __future__ import annotations

from datetime import datetime

import msgspec

from antiphon.core.clock import Clock
from antiphon.services.audit.chain import Entry

WINDOW_SECONDS = 60.0
MOST_KINDS = 1_000

OTHERS = "others"
"""The actor of rows that count callers together."""


class _Window:
    __slots__ = ("ends_at", "entry", "last_at", "more")

    def __init__(self, entry: Entry, ends_at: float) -> None:
        self.entry = entry
        self.ends_at = ends_at
        self.last_at: datetime = entry.at
        self.more = 0


class AuditCounts:
    """The windows of a process, and the rows that wait to be written."""

    def __init__(self, clock: Clock, *, most: int = MOST_KINDS) -> None:
        self._clock = clock
        self._most = most
        self._windows: dict[tuple[str, ...], _Window] = {}
        self.waiting: list[Entry] = []

    def note(self, entry: Entry) -> bool:
        """Count one; True when a row waits for it."""
        kind = _kind_of(entry)
        window = self._windows.get(kind)
        if window is None and len(self._windows) >= self._most:
            self.close(self._clock.monotonic())
            if len(self._windows) >= self._most:
                entry = msgspec.structs.replace(entry, actor=OTHERS, tenant_id=None, object="", address="")
                kind = _kind_of(entry)
                window = self._windows.get(kind)
        now = self._clock.monotonic()
        if window is not None and now < window.ends_at:
            window.more += 1
            window.last_at = entry.at
            return False
        if window is not None:
            # Taken out first, so that the windows stand in the order in which they end.
            self._end(self._windows.pop(kind))
        self._windows[kind] = _Window(entry, now + WINDOW_SECONDS)
        self.waiting.append(entry)
        return True

    def close(self, now: float) -> None:
        """End the windows whose time is over; infinity ends all of them."""
        for kind in [kind for kind, window in self._windows.items() if window.ends_at <= now]:
            self._end(self._windows.pop(kind))

    def next_end(self) -> float | None:
        """When the next window ends, by the monotonic clock; None while there is none."""
        # They all last equally long, so the oldest ends first.
        oldest = next(iter(self._windows.values()), None)
        return None if oldest is None else oldest.ends_at

    def _end(self, window: _Window) -> None:
        if window.more:
            self.waiting.append(
                msgspec.structs.replace(window.entry, at=window.last_at, times=window.more, request_id="")
            )


def _kind_of(entry: Entry) -> tuple[str, ...]:
    address = entry.address if entry.actor in ("anonymous", OTHERS) else ""
    return (entry.actor, entry.tenant_id or "", address, entry.action, entry.object, entry.outcome)
