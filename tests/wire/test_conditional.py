"""Conditional requests: what the client has is not sent again, and nothing is overwritten unseen."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.conditional import (
    ANY,
    EntityTag,
    http_date,
    matching_tag,
    not_modified,
    parse_http_date,
    read_base,
    read_tags,
    strong_tag,
    tag_of_bytes,
)
from antiphon.wire.faults import WireFault

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SAMPLE = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "tags"),
    [
        ('"3"', (EntityTag("3"),)),
        ('W/"3"', (EntityTag("3", weak=True),)),
        (' "a" ,, W/"b"\t, "c,d" ', (EntityTag("a"), EntityTag("b", weak=True), EntityTag("c,d"))),
        ('""', (EntityTag(""),)),
        ("*", ANY),
        (" * ", ANY),
        ("", None),
        (",", None),
        ("3", None),
        ('w/"3"', None),
        ('"3', None),
        ('"3""4"', None),
        ('"3", 4', None),
        ('"a b"', None),
        ('*, "3"', None),
    ],
)
def test_tags_are_read_or_refused(header: str, tags: object) -> None:
    """A list of quoted tags, weak or strong, or a star; anything else is nothing at all."""
    assert read_tags(header) == tags


def test_a_tag_is_written_as_it_is_read() -> None:
    """Both kinds keep their form."""
    assert [str(EntityTag("3")), str(EntityTag("3", weak=True))] == ['"3"', 'W/"3"']


def test_the_tag_of_bytes_is_weak_and_follows_them() -> None:
    """Equal bytes have one tag, different ones two."""
    tag = tag_of_bytes(b"a")

    assert tag.weak
    assert tag == tag_of_bytes(b"a") != tag_of_bytes(b"b")


def test_a_version_is_a_strong_tag() -> None:
    """Whatever names a version can be a tag."""
    assert [str(strong_tag(value)) for value in (3, "op:0199")] == ['"3"', '"op:0199"']


@pytest.mark.parametrize("value", ['a"b', "a b", "ü", "a\r\n"])
def test_what_would_break_the_header_is_no_tag(value: str) -> None:
    """Quotes, spaces and line breaks never reach the header."""
    with pytest.raises(ValueError, match="entity tag"):
        strong_tag(value)


def test_the_base_of_a_write_is_what_the_client_saw() -> None:
    """Strong tags name versions; the coding of a compressed form is taken off."""
    assert read_base('"3", "4-gzip"') == ("3", "4")


def test_a_weak_tag_is_no_base() -> None:
    """If-Match compares strongly, so a weak tag matches nothing."""
    assert read_base('W/"3"') == ()


def test_any_base_is_told_apart() -> None:
    """A star accepts whatever is there."""
    assert read_base("*") is ANY


def test_a_malformed_base_is_refused() -> None:
    """A check that cannot be read must not be left out."""
    with pytest.raises(WireFault, match="If-Match") as fault:
        read_base("3")

    assert fault.value.status == 400


@pytest.mark.parametrize(
    ("header", "current", "answer"),
    [
        ('"3"', '"3"', '"3"'),
        ('W/"3"', '"3"', '"3"'),
        ('"3"', 'W/"3"', 'W/"3"'),
        ('"2", "3"', '"3"', '"3"'),
        ("*", '"3"', '"3"'),
        ('"3-gzip"', '"3"', '"3-gzip"'),
        ('W/"3-br"', 'W/"3"', 'W/"3-br"'),
        ('"3-gzip"', '"3-gzip"', '"3-gzip"'),
        ('"2"', '"3"', None),
        ('"3-deflate"', '"3"', None),
        ("3", '"3"', None),
    ],
)
def test_what_the_client_has_is_not_sent_again(header: str, current: str, answer: str | None) -> None:
    """If-None-Match is compared weakly and without a coding; the 304 names the form the client has."""
    tags = read_tags(current)
    assert isinstance(tags, tuple)

    assert matching_tag(header, tags[0]) == answer


@pytest.mark.parametrize(
    ("since", "modified_at", "unchanged"),
    [
        (SAMPLE, SAMPLE, True),
        (SAMPLE, SAMPLE + timedelta(microseconds=999_999), True),
        (SAMPLE, SAMPLE - timedelta(days=1), True),
        (SAMPLE, SAMPLE + timedelta(seconds=1), False),
        (SAMPLE, None, False),
    ],
)
def test_a_date_counts_for_files(since: datetime, modified_at: datetime | None, unchanged: bool) -> None:
    """If-Modified-Since compares whole seconds, and means nothing for what has no time."""
    answer = not_modified(
        if_none_match=None,
        if_modified_since=http_date(since),
        current=EntityTag("3"),
        modified_at=modified_at,
        now=NOW,
    )

    assert (answer == '"3"') is unchanged


def test_a_date_means_nothing_beside_a_tag() -> None:
    """With If-None-Match, If-Modified-Since is not read."""
    answer = not_modified(
        if_none_match='"2"',
        if_modified_since=http_date(NOW),
        current=EntityTag("3"),
        modified_at=SAMPLE,
    )

    assert answer is None


def test_without_conditions_everything_is_sent() -> None:
    """No header, no 304; neither with a date that cannot be read."""
    tag = EntityTag("3")

    assert not_modified(if_none_match=None, if_modified_since=None, current=tag, modified_at=SAMPLE) is None
    assert not_modified(if_none_match=None, if_modified_since="soon", current=tag, modified_at=SAMPLE) is None


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_all_three_forms_of_a_date_are_read(text: str) -> None:
    """Today's form and both old ones name the same moment."""
    assert parse_http_date(text, now=NOW) == SAMPLE


@pytest.mark.parametrize(("short", "year"), [("26", 2026), ("76", 2076), ("77", 1977), ("99", 1999), ("00", 2000)])
def test_a_short_year_is_at_most_fifty_years_ahead(short: str, year: int) -> None:
    """Two digits mean the nearest year that is not further in the future."""
    date = parse_http_date(f"Monday, 01-Jan-{short} 00:00:00 GMT", now=NOW)

    assert date is not None
    assert date.year == year


def test_a_short_year_passes_the_end_of_a_century() -> None:
    """Near the end of a century, small numbers belong to the next."""
    date = parse_http_date("Monday, 01-Jan-05 00:00:00 GMT", now=NOW.replace(year=2090))

    assert date is not None
    assert date.year == 2105


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "1994-11-06T08:49:37Z",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 06 Abc 1994 08:49:37 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    """No other form is guessed at."""
    assert parse_http_date(text) is None


def test_a_leap_second_is_read() -> None:
    """A 60th second is allowed on the wire and counts as the 59th."""
    date = parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT")

    assert date == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_date_is_written_in_utc() -> None:
    """A time of another zone is written as the same moment in GMT."""
    at = SAMPLE.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert http_date(at) == "Sun, 06 Nov 1994 08:49:37 GMT"


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_written_date_is_read_as_the_same_second(at: datetime) -> None:
    """Dates survive the wire to the second."""
    assert parse_http_date(http_date(at)) == at.replace(microsecond=0)
