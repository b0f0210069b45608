"""Durations as people write them: `"30s"`, `"5m"`, `"1h30m"`, `"250ms"`."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

_MICROSECONDS = {"d": 86_400_000_000, "h": 3_600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1_000}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[dhms])")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_HINT = 'write a number and a unit (d, h, m, s, ms), such as "30s", "5m", "1h30m" or "250ms"'


def parse_duration(text: str) -> timedelta:
    """Read `"1h30m"` as one hour and a half, to the microsecond.

    The units are d, h, m, s and ms; each is used once at most, and larger ones come first. Case and spaces inside
    count; spaces around do not. Raises ValueError, without the text, when it is no duration, has no unit, is negative,
    or is longer than a timedelta can be (999,999,999 days).
    """
    text = text.strip()
    if _NUMBER.fullmatch(text):
        raise ValueError(f"a duration needs a unit; {_HINT}")
    at, last, total = 0, -1, 0
    units = list(_MICROSECONDS)
    while part := _PART.match(text, at):
        unit = units.index(part[2])
        if unit <= last:
            raise ValueError('a duration has each unit once and larger ones first, as in "1d12h30m"')
        total += int((Decimal(part[1]) * _MICROSECONDS[part[2]]).to_integral_value())
        at, last = part.end(), unit
    if not text or at < len(text):
        raise ValueError(f"this is no duration; {_HINT}")
    try:
        return timedelta(microseconds=total)
    except OverflowError:
        raise ValueError("a duration has at most 999,999,999 days") from None


def format_duration(duration: timedelta) -> str:
    """Write a duration as `parse_duration` reads it, in the fewest parts: `"1h30m"`, `"1.5ms"`, `"0s"`.

    A negative one, which cannot be read again, has a minus sign in front.
    """
    if duration < timedelta():
        return "-" + format_duration(-duration)
    rest = duration // timedelta(microseconds=1)
    parts: list[str] = []
    for unit, size in _MICROSECONDS.items():
        if unit == "ms":
            parts += [f"{Decimal(rest) / size:f}{unit}"] if rest else []
        elif count := rest // size:
            parts.append(f"{count}{unit}")
            rest -= count * size
    return "".join(parts) or "0s"
