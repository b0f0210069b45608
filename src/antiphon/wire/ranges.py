"""One byte range of a file, or the whole of it (RFC 9110 §13.1.5, §14)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import msgspec

from antiphon.wire.conditional import EntityTag, parse_http_date, read_tags
from antiphon.wire.faults import range_not_satisfiable

_ONE_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
# No file is larger; an endless row of digits is neither converted nor counted.
_MOST_DIGITS = 18


class ByteRange(msgspec.Struct, frozen=True):
    """`count` bytes of a file from `offset` on; never empty."""

    offset: int
    count: int

    def content_range(self, size_bytes: int) -> str:
        """The `Content-Range` of a 206: `bytes 0-499/1234`."""
        return f"bytes {self.offset}-{self.offset + self.count - 1}/{size_bytes}"


def read_range(header: str, size_bytes: int) -> ByteRange | None:
    """The range that a `Range` header asks for, or None for the whole file.

    Several ranges, other units and malformed headers get the whole file, as §14.2 allows. A range that begins
    after the last byte, or asks for the last 0, is refused (416 with `Content-Range: bytes */N`).
    """
    found = _ONE_RANGE.fullmatch(header.strip(" \t"))
    if found is None:
        return None
    first, last = found[1], found[2]
    if not first:
        if not last:
            return None
        length = _number(last)
        if length == 0:
            raise range_not_satisfiable(size_bytes)
        # "The last 5" of an empty file is satisfiable, but no Content-Range can say it.
        return ByteRange(max(0, size_bytes - length), min(length, size_bytes)) if size_bytes else None
    start, end = _number(first), _number(last) if last else size_bytes - 1
    if last and end < start:
        return None
    if start >= size_bytes:
        raise range_not_satisfiable(size_bytes)
    return ByteRange(start, min(end, size_bytes - 1) - start + 1)


def if_range_holds(header: str, *, current: EntityTag, modified_at: datetime | None, now: datetime) -> bool:
    """Whether the client's part is of the file as it is now, so that a range of it fits (§13.1.5).

    A tag must be strong and equal; the coding of a compressed form is not taken off, since ranges are of the plain
    one. A date must equal the file's and be a strong validator: older than the answer by a second (§8.8.2.2).
    """
    tags = read_tags(header)
    if isinstance(tags, tuple):
        return len(tags) == 1 and tags[0] == current and not current.weak
    if tags is not None or modified_at is None:
        return False
    modified_at = modified_at.replace(microsecond=0)
    return parse_http_date(header, now=now) == modified_at and now - modified_at >= timedelta(seconds=1)


def choose_range(
    range_header: str | None,
    if_range: str | None,
    *,
    size_bytes: int,
    current: EntityTag,
    modified_at: datetime | None,
    now: datetime,
) -> ByteRange | None:
    """What to send of a file to a GET: the range asked for (206), or None for all of it (200)."""
    if range_header is None:
        return None
    if if_range is not None and not if_range_holds(if_range, current=current, modified_at=modified_at, now=now):
        return None
    return read_range(range_header, size_bytes)


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= _MOST_DIGITS else 10**_MOST_DIGITS
