"""Durations read and written as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("2d", timedelta(days=2)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("1d2h3m4s5ms", timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5)),
        ("1.5s", timedelta(seconds=1.5)),
        (" 30s\n", timedelta(seconds=30)),
        ("0s", timedelta()),
    ],
)
def test_a_duration_is_read_from_its_units(text: str, duration: timedelta) -> None:
    """Days, hours, minutes, seconds and milliseconds are read, alone and together."""
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["30", "0", "1.5", "-30"])
def test_a_number_without_a_unit_is_refused_with_what_to_write(text: str) -> None:
    """A bare number could be seconds or milliseconds, so it is refused with the ways to write it."""
    with pytest.raises(ValueError, match=r'needs a unit; write a number and a unit .* such as "30s"'):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "s", "30 s", "-5s", "5S", "5 minutes", "1e3s", "5m,", "٣s", "1h30", "5w", ".5s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Other units, spaces inside, signs, exponents and left-over text are refused."""
    with pytest.raises(ValueError, match="this is no duration; write"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["1s1h", "1m1m"])
def test_units_go_from_large_to_small_and_once(text: str) -> None:
    """A repeated or misplaced unit is a slip of the pen, and refused."""
    with pytest.raises(ValueError, match="larger ones first"):
        parse_duration(text)


def test_a_duration_that_is_too_long_is_a_value_error() -> None:
    """What a timedelta cannot hold is refused like any other fault."""
    with pytest.raises(ValueError, match="at most 999,999,999 days"):
        parse_duration("9" * 400 + "d")


def test_a_refusal_repeats_nothing_of_the_text() -> None:
    """The text may have been meant for another setting, so the error does not show it."""
    with pytest.raises(ValueError, match="no duration") as refusal:
        parse_duration("hunter2")
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(microseconds=1500), "1.5ms"),
        (timedelta(days=1, seconds=1), "1d1s"),
        (timedelta(seconds=-30), "-30s"),
    ],
)
def test_a_duration_is_written_in_the_fewest_parts(duration: timedelta, text: str) -> None:
    """Only the units that count are written, larger ones first."""
    assert format_duration(duration) == text


@given(st.timedeltas(min_value=timedelta()))
def test_what_is_written_is_read_back_the_same(duration: timedelta) -> None:
    """Writing and reading lose nothing, down to the microsecond."""
    assert parse_duration(format_duration(duration)) == duration
