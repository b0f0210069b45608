"""The moments at which a schedule ticks, and what becomes of those that nobody was there to see. No clock, no I/O.

    a tick is          missed="once"                missed="skip"    missed="all"
    up to 60 s late    run                          run              run
    later              the newest of them is run    none is run      each is run, up to the newest 1,000

Moments are milliseconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from antiphon.services.tasks.cron import Cron

type Missed = Literal["once", "skip", "all"]
"""What becomes of ticks that are more than a minute late."""

type Overlap = Literal["skip", "queue", "allow"]
"""What becomes of a tick while the run before it is unfinished."""


class Bounds(NamedTuple):
    """How late a tick is missed, in milliseconds, and how many missed ones are run at most."""

    late: int = 60_000
    most: int = 1_000


AS_SAID = Bounds()

_FIRST_WIDTH = 60_000


class Ticks(Protocol):
    """When a schedule ticks."""

    def next_after(self, moment: int) -> int | None:
        """The first tick later than this, or None when there is none any more."""
        ...


@dataclass(frozen=True, slots=True)
class Period:
    """Ticks at whole multiples of a period since 1970-01-01 UTC, moved by an offset. Both in milliseconds."""

    period: int
    offset: int = 0

    def next_after(self, moment: int) -> int | None:
        return ((moment - self.offset) // self.period + 1) * self.period + self.offset


@dataclass(frozen=True, slots=True)
class WallClock:
    """Ticks on the wall clock of a zone."""

    cron: Cron

    def next_after(self, moment: int) -> int | None:
        found = self.cron.next_after(moment // 1000)
        return None if found is None else found * 1000


def newest(ticks: Ticks, after: int, until: int, most: int) -> list[int]:
    """The newest ticks in `(after, until]`, oldest first."""
    # Backward in windows that grow: after a year away nobody walks through half a million ticks to find the last one.
    width = _FIRST_WIDTH
    while True:
        begin = max(after, until - width) if until > after else after
        found: list[int] = []
        tick = ticks.next_after(begin)
        while tick is not None and tick <= until:
            found.append(tick)
            tick = ticks.next_after(tick)
        if begin == after or len(found) >= most:
            return found[-most:]
        width *= 2


class Round(NamedTuple):
    """What to do about the ticks of one schedule since its last: those to run, missed ones first, and those not."""

    last: int
    missed: tuple[int, ...]
    fresh: tuple[int, ...]
    passed_over: int


def round_of(ticks: Ticks, missed: Missed, last: int, now: int, bounds: Bounds = AS_SAID) -> Round | None:
    """What is due at `now` when `last` was the last tick that was dealt with; None when nothing is.

    Of missed ticks beyond `bounds.most` one stands for all.
    """
    # A tick is late when it was due before this moment.
    since = max(last, now - bounds.late - 1)
    late = newest(ticks, last, since, bounds.most + 1)
    fresh = newest(ticks, since, now, bounds.late)
    if not late and not fresh:
        return None
    # The newest of what was missed: those are the ones that still say something.
    kept = {"once": late[-1:], "skip": [], "all": late[-bounds.most :]}[missed]
    return Round((fresh or late)[-1], tuple(kept), tuple(fresh), len(late) - len(kept))
