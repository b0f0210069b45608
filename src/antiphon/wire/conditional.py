"""Conditional requests: entity tags, HTTP dates, and what they decide (RFC 9110 §5.6.7, §8.8, §13)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import Enum
from hashlib import blake2b
from typing import Literal, NamedTuple

from antiphon.wire.encoding import plain_tag_value
from antiphon.wire.faults import malformed

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_TAG_VALUE = re.compile(r"[\x21\x23-\x7e]*")


class EntityTag(NamedTuple):
    """A validator of a representation; `str()` gives its form in a header."""

    value: str
    weak: bool = False

    def __str__(self) -> str:
        return f'W/"{self.value}"' if self.weak else f'"{self.value}"'


class Anything(Enum):
    """The `*` of `If-Match` and `If-None-Match`: whatever there is."""

    ANY = "*"


ANY = Anything.ANY


def tag_of_bytes(body: bytes) -> EntityTag:
    """A weak tag of these bytes: 96 bits of their BLAKE2b."""
    return EntityTag(blake2b(body, digest_size=12).hexdigest(), weak=True)


def strong_tag(value: object) -> EntityTag:
    """A strong tag that says `value`, such as a version or the hash of a file."""
    text = str(value)
    if not _TAG_VALUE.fullmatch(text):
        raise ValueError(f"{text!r} cannot be an entity tag; use visible ASCII without quotes.")
    return EntityTag(text)


def read_tags(header: str) -> tuple[EntityTag, ...] | Literal[Anything.ANY] | None:
    """The tags a header lists, `ANY` for `*`, or None when it is malformed. A tag may itself hold a comma."""
    text = header.strip(" \t")
    if text == "*":
        return ANY
    tags: list[EntityTag] = []
    at = 0
    while at < len(text):
        if text[at] in " \t,":
            at += 1
            continue
        found = _TAG.match(text, at)
        if found is None:
            return None
        tags.append(EntityTag(found[2], weak=found[1] is not None))
        at = found.end()
        if text[at : at + 1] not in ("", ",", " ", "\t"):
            return None
    return tuple(tags) or None


def read_base(if_match: str) -> tuple[str, ...] | Literal[Anything.ANY]:
    """The versions an `If-Match` accepts as the base of a write, or `ANY`; the `ctx.base` of a call.

    Compared strongly (§13.1.1), so weak tags are left out: `()` is a base that nothing has. The coding of a
    compressed form is taken off, since its version is the same. A malformed header is refused (400): to pass over it
    would be to write without the check that was asked for.
    """
    tags = read_tags(if_match)
    if tags is None:
        raise malformed('If-Match takes quoted entity tags, such as "3", or *.')
    if tags is ANY:
        return ANY
    return tuple(plain_tag_value(tag.value) for tag in tags if not tag.weak)


def matching_tag(if_none_match: str, current: EntityTag) -> str | None:
    """The tag for a 304 when the client has `current` already, or None when it must be sent (§13.1.2).

    Compared weakly, and without the coding of a compressed form: the client has that version. The answer names
    the tag the client named, which is how a cache finds the form that it keeps. Malformed matches nothing.
    """
    tags = read_tags(if_none_match)
    if tags is None:
        return None
    if tags is ANY:
        return str(current)
    for tag in tags:
        if tag.value == current.value:
            return str(current)
        if plain_tag_value(tag.value) == current.value:
            return str(EntityTag(tag.value, weak=current.weak))
    return None


def not_modified(
    *,
    if_none_match: str | None,
    if_modified_since: str | None,
    current: EntityTag,
    modified_at: datetime | None = None,
    now: datetime | None = None,
) -> str | None:
    """The tag for a 304, or None when the whole answer is due (§13.2.2).

    `If-Modified-Since` counts only with `modified_at` (files have one, results have none) and only without
    `If-None-Match`.
    """
    if if_none_match is not None:
        return matching_tag(if_none_match, current)
    if if_modified_since is None or modified_at is None:
        return None
    since = parse_http_date(if_modified_since, now=now)
    # HTTP dates are whole seconds; a file changed within that second was not seen by the client as a change.
    unchanged = since is not None and modified_at.replace(microsecond=0) <= since
    return str(current) if unchanged else None


# HTTP dates. Own tables, because strftime and strptime follow the process's locale.

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, 1)}
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DAY_NAME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY_NAME = "(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_DATE_FORMS = tuple(
    re.compile(form, re.ASCII)
    for form in (
        rf"{_DAY_NAME}, (?P<day>\d\d) (?P<month>[A-Z][a-z][a-z]) (?P<year>\d{{4}}) {_TIME} GMT",
        rf"{_LONG_DAY_NAME}, (?P<day>\d\d)-(?P<month>[A-Z][a-z][a-z])-(?P<year>\d\d) {_TIME} GMT",
        rf"{_DAY_NAME} (?P<month>[A-Z][a-z][a-z]) (?P<day>[ \d]\d) {_TIME} (?P<year>\d{{4}})",
    )
)


def http_date(at: datetime) -> str:
    """The time in the one form that is sent: `Sun, 06 Nov 1994 08:49:37 GMT` (§5.6.7). `at` is aware."""
    at = at.astimezone(UTC)
    return (
        f"{_DAYS[at.weekday()]}, {at.day:02d} {_MONTHS[at.month - 1]} {at.year:04d}"
        f" {at.hour:02d}:{at.minute:02d}:{at.second:02d} GMT"
    )


def parse_http_date(text: str, *, now: datetime | None = None) -> datetime | None:
    """The time in any of the three forms of §5.6.7, or None when it is in none.

    A two-digit year means the one that is at most 50 years after `now`.
    """
    for form in _DATE_FORMS:
        if found := form.fullmatch(text.strip(" \t")):
            break
    else:
        return None
    year = int(found["year"])
    if len(found["year"]) == 2:
        this_year = (now or datetime.now(UTC)).year
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
        elif year <= this_year - 50:
            year += 100
    try:
        return datetime(
            year,
            _MONTH_NUMBERS[found["month"]],
            int(found["day"]),
            int(found["hour"]),
            int(found["minute"]),
            # A leap second is allowed on the wire and unknown to datetime.
            59 if found["second"] == "60" else int(found["second"]),
            tzinfo=UTC,
        )
    except (KeyError, ValueError):
        return None
