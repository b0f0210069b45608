"""Ranges: one piece of a file is that piece, and everything odd is the whole file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.conditional import EntityTag, http_date
from antiphon.wire.faults import WireFault
from antiphon.wire.ranges import ByteRange, choose_range, if_range_holds, read_range

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
MODIFIED = NOW - timedelta(days=1)
TAG = EntityTag("abc")


@pytest.mark.parametrize(
    ("header", "offset", "count"),
    [
        ("bytes=0-499", 0, 500),
        ("bytes=500-", 500, 500),
        ("bytes=-300", 700, 300),
        ("bytes=-5000", 0, 1000),
        ("bytes=999-", 999, 1),
        ("bytes=0-0", 0, 1),
        ("bytes=990-5000", 990, 10),
        ("bytes=0-" + "9" * 5000, 0, 1000),
        ("Bytes= 0-9 ", 0, 10),
        ("bytes=0000-0009", 0, 10),
    ],
)
def test_one_range_is_that_piece(header: str, offset: int, count: int) -> None:
    """A first and a last byte, a first byte, or a number of last bytes; an end beyond the file is the file's."""
    assert read_range(header, 1000) == ByteRange(offset, count)


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=" + "9" * 5000 + "-"])
def test_a_range_outside_the_file_cannot_be_satisfied(header: str) -> None:
    """It is 416, and the answer tells the size."""
    with pytest.raises(WireFault) as fault:
        read_range(header, 1000)

    assert (fault.value.status, fault.value.headers) == (416, [(b"content-range", b"bytes */1000")])


@pytest.mark.parametrize(
    "header",
    [
        "bytes=0-1,5-6",
        "bytes=0-1,",
        "bytes=5-4",
        "bytes=-",
        "bytes=",
        "bytes",
        "",
        "lines=0-1",
        "bytes=a-b",
        "bytes=0 - 1",
        "bytes=-1-2",
        "bytes=+1-2",
        "bytes=\u0660-\u0661",
    ],
)
def test_several_and_malformed_ranges_get_the_whole_file(header: str) -> None:
    """What is not one readable range is passed over."""
    assert read_range(header, 1000) is None


def test_an_empty_file_has_no_ranges() -> None:
    """Any first byte lies outside of it, and its last bytes are all of it."""
    assert read_range("bytes=-5", 0) is None
    with pytest.raises(WireFault):
        read_range("bytes=0-", 0)


@given(st.integers(1, 300), st.integers(0, 300), st.one_of(st.none(), st.integers(0, 300)))
def test_a_range_is_what_slicing_gives(size: int, first: int, last: int | None) -> None:
    """The piece is exactly the bytes from the first to the last, both counted."""
    content = bytes(range(256)) + bytes(44)
    expected = content[:size][first : None if last is None else last + 1]
    try:
        found = read_range(f"bytes={first}-{'' if last is None else last}", size)
    except WireFault:
        assert first >= size
    else:
        assert (content[found.offset : found.offset + found.count] if found else b"") == expected


def test_a_range_says_where_it_stands() -> None:
    """Content-Range names the first and last byte and the size."""
    assert ByteRange(0, 500).content_range(1234) == "bytes 0-499/1234"


@pytest.mark.parametrize(
    ("header", "current", "holds"),
    [
        ('"abc"', TAG, True),
        ('"abd"', TAG, False),
        ('W/"abc"', TAG, False),
        ('W/"abc"', EntityTag("abc", weak=True), False),
        ('"abc"', EntityTag("abc", weak=True), False),
        ('"abc-gzip"', TAG, False),
        ('"abc", "abd"', TAG, False),
        ("*", TAG, False),
        ("abc", TAG, False),
    ],
)
def test_a_part_fits_only_the_very_same_bytes(header: str, current: EntityTag, holds: bool) -> None:
    """If-Range with a tag holds when it is strong and equal, coding included."""
    assert if_range_holds(header, current=current, modified_at=MODIFIED, now=NOW) is holds


@pytest.mark.parametrize(
    ("date", "modified_at", "holds"),
    [
        (MODIFIED, MODIFIED + timedelta(milliseconds=5), True),
        (MODIFIED + timedelta(seconds=1), MODIFIED, False),
        (MODIFIED - timedelta(seconds=1), MODIFIED, False),
        (MODIFIED, None, False),
        (NOW, NOW, False),
    ],
)
def test_a_date_holds_when_it_is_the_files_and_not_too_young(
    date: datetime, modified_at: datetime | None, holds: bool
) -> None:
    """If-Range with a date must equal it, and a file may not have changed within this second."""
    assert if_range_holds(http_date(date), current=TAG, modified_at=modified_at, now=NOW) is holds


@pytest.mark.parametrize(
    ("range_header", "if_range", "chosen"),
    [
        (None, None, None),
        (None, '"abc"', None),
        ("bytes=0-9", None, ByteRange(0, 10)),
        ("bytes=0-9", '"abc"', ByteRange(0, 10)),
        ("bytes=0-9", '"old"', None),
        ("bytes=5000-", '"old"', None),
    ],
)
def test_a_changed_file_is_sent_whole(range_header: str | None, if_range: str | None, chosen: ByteRange | None) -> None:
    """A range counts while the client's part is of this file; otherwise it is not even looked at."""
    found = choose_range(range_header, if_range, size_bytes=1000, current=TAG, modified_at=MODIFIED, now=NOW)

    assert found == chosen
