"""Counts limits in this process alone, with the arithmetic of `counting.py`: for when the store does not answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from antiphon.services.limits.counting import Charge, Count, Decision
from antiphon.services.limits.policies import PARTS, Policy


class _Window(NamedTuple):
    """The calls of each part, the newest first. `here` is the number of the newest."""

    here: int
    counts: tuple[int, ...]


type _Kept = _Window | int
"""What a key holds: a window, or the time at which an even flow will have given everything back."""


class _Found(NamedTuple):
    """What there is before a charge, when there will be more before and after it, and what the key holds after it."""

    room: bool
    used: int
    more: int
    later: int
    wait: int
    charged: _Kept

    def told(self, policy: Policy, cost: int) -> Count:
        """What callers are told, having been charged this cost or nothing."""
        left = max(policy.most - self.used - cost, 0)
        return Count(self.room, left, self.later if cost else self.more, self.wait)


class LocalCounts:
    """The counters of one process, `most` of them: those left alone longest go for new ones.

    An attacker gains nothing by that: whoever has many addresses has as many limits, with the store as well.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: dict[str, _Kept] = {}

    def __len__(self) -> int:
        return len(self._kept)

    def decide(self, charges: Sequence[Charge], now: int) -> Decision:
        """Charge all of these, or none. `now` is in microseconds and never goes back."""
        found = [self._look(charge, now) for charge in charges]
        passes = all(each.room or charge.policy.shadow for each, charge in zip(found, charges, strict=True))
        counts: list[Count] = []
        for charge, each in zip(charges, found, strict=True):
            cost = charge.cost if passes and each.room else 0
            if cost:
                self._keep(charge.key, each.charged)
            counts.append(each.told(charge.policy, cost))
        return Decision(passes, now, counts)

    def _keep(self, key: str, kept: _Kept) -> None:
        # Out and in again, so that the first is always the one that was left alone longest.
        self._kept.pop(key, None)
        self._kept[key] = kept
        if len(self._kept) > self._most:
            del self._kept[next(iter(self._kept))]

    def _look(self, charge: Charge, now: int) -> _Found:
        kept = self._kept.get(charge.key)
        if charge.policy.kind == "w":
            return _window(charge, kept if isinstance(kept, _Window) else None, now)
        return _flow(charge, kept if isinstance(kept, int) else 0, now)


def _window(charge: Charge, kept: _Window | None, now: int) -> _Found:
    policy, cost = charge.policy, charge.cost
    here = now // policy.unit
    counts = _aged(kept, here)
    used = free = sum(counts)
    more = wait = 0
    for age in range(PARTS, -1, -1):
        if counts[age]:
            leaves = (here - age + PARTS + 1) * policy.unit - now
            more = more or leaves
            if free + cost > policy.most:
                free -= counts[age]
                wait = leaves
    later = more or (here + PARTS + 1) * policy.unit - now
    charged = _Window(here, (counts[0] + cost, *counts[1:]))
    return _Found(used + cost <= policy.most, used, more, later, wait, charged)


def _flow(charge: Charge, kept: int, now: int) -> _Found:
    most, unit = charge.policy.most, charge.policy.unit
    full = max(kept, now)
    after = full + charge.cost * unit
    over = after - now - most * unit
    return _Found(
        over <= 0, _owed(full, now, unit), _more(full, now, unit), _more(after, now, unit), max(over, 0), after
    )


def _owed(full: int, now: int, unit: int) -> int:
    """How many calls have not been given back, a part of one counted as one."""
    return -((now - full) // unit)


def _more(full: int, now: int, unit: int) -> int:
    """How long until one more call is given back."""
    return full - now - max(_owed(full, now, unit) - 1, 0) * unit


def _aged(window: _Window | None, here: int) -> list[int]:
    """The calls of the parts here, here-1, … as far as they count."""
    counts = [0] * (PARTS + 1)
    if window is not None:
        for at, count in enumerate(window.counts):
            age = here - window.here + at
            if age <= PARTS:
                counts[age] += count
    return counts
