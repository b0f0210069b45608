"""Moments of a cron expression on the wall clock of a zone, summer time included.

Time is cut where the zone's offset from UTC changes. Between two cuts wall clock and UTC run side by side, and cronsim
says which wall times match, knowing no zone. What a cut does to them depends on the expression:

    the wall clock     fixed minute and hour              `*` or `*/n` in either
    skips a time       once, at the end of what is        never
                       skipped, however many are in it
    repeats a time     the first time                     both times

Moments are whole seconds since 1970-01-01 UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # a wall time; it has no zone
_STEP = 6 * 3600
"""How far apart the offset is looked at: no zone changes it and changes it back within that time."""


class Cron:
    """An expression of five fields in a zone."""

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        """Read both. Raises ValueError saying what is wrong with them."""
        self.expression = expression
        self.zone_name = zone
        self._zone = _zone(zone)
        fields = expression.split()
        if len(fields) != 5:
            raise ValueError("it must have five fields: minute, hour, day of month, month, day of week")
        self._follows = any("*" in field for field in fields[:2])
        try:
            self._walls = CronSim(expression, _EPOCH)
        except CronSimError as error:
            raise ValueError(str(error).lower()) from None
        if self._wall_after(0) is None:
            raise ValueError("it never comes")

    def next_after(self, moment: int) -> int | None:
        """The first moment later than this one, or None when there is none within 50 years."""
        at, offset = moment, self._offset(moment)
        while (wall := self._wall_after(at + offset)) is not None:
            found = wall - offset
            cut = self._cut(at, found, offset)
            if cut is None:
                if self._follows or not self._repeated(found):
                    return found
                at = found
                continue
            skipped = self._offset(cut) - offset
            if not self._follows and found < cut + skipped:
                return cut
            # From the cut on, itself included, by its own offset.
            at, offset = cut - 1, offset + skipped
        return None

    def _wall_after(self, wall: int) -> int | None:
        self._walls.dt = _EPOCH + timedelta(seconds=wall)
        try:
            return (next(self._walls) - _EPOCH) // timedelta(seconds=1)
        except (StopIteration, OverflowError):
            return None

    def _offset(self, moment: int) -> int:
        return _whole(datetime.fromtimestamp(moment, UTC).astimezone(self._zone).utcoffset())

    def _repeated(self, moment: int) -> bool:
        """Whether the wall clock shows this time for the second time."""
        return datetime.fromtimestamp(moment, UTC).astimezone(self._zone).fold == 1

    def _cut(self, after: int, until: int, offset: int) -> int | None:
        """The first moment in `(after, until]` with another offset, or None."""
        if self._zone is UTC:
            return None
        while after < until:
            look = min(after + _STEP, until)
            if self._offset(look) != offset:
                while look - after > 1:
                    middle = (after + look) // 2
                    after, look = (middle, look) if self._offset(middle) == offset else (after, middle)
                return look
            after = look
        return None


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # the one zone that is there without a database of them
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"there is no zone {name!r} here; write one such as 'Europe/Athens'") from None


def _whole(offset: timedelta | None) -> int:
    return 0 if offset is None else offset // timedelta(seconds=1)
