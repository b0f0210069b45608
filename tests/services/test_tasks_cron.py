"""Cron expressions on the wall clock: what each summer time does to them, and that no tick is lost or doubled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.services.tasks.cron import Cron

ATHENS = "Europe/Athens"
FORWARD = "2026-03-29"
"""In Athens clocks go from 03:00 to 04:00."""
BACK = "2026-10-25"
"""In Athens clocks go from 04:00 back to 03:00."""

ZONES = (
    *("UTC", ATHENS, "Europe/London", "Europe/Dublin", "Europe/Lisbon", "America/New_York", "America/St_Johns"),
    *("America/Sao_Paulo", "America/Santiago", "America/Havana", "America/Los_Angeles", "Africa/Cairo", "Asia/Beirut"),
    *("Africa/Casablanca", "Asia/Kathmandu", "Asia/Kolkata", "Australia/Lord_Howe", "Australia/Sydney"),
    *("Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia"),
)


def ticks(expression: str, zone: str, day: str, hours: int = 24) -> list[str]:
    """The ticks of a day, as times with their offset."""
    cron, place = Cron(expression, zone), ZoneInfo(zone)
    begin = int(datetime.fromisoformat(day).replace(tzinfo=place).timestamp())
    found: list[str] = []
    at = cron.next_after(begin - 1)
    while at is not None and at < begin + hours * 3600:
        found.append(datetime.fromtimestamp(at, UTC).astimezone(place).strftime("%d %H:%M %z"))
        at = cron.next_after(at)
    return found


def test_a_fixed_time_in_the_skipped_hour_runs_right_after_it() -> None:
    """03:30 does not come on the day on which clocks go forward at three: it runs when they show four."""
    assert ticks("30 3 * * *", ATHENS, FORWARD) == ["29 04:00 +0300"]


def test_several_fixed_times_in_the_skipped_hour_run_once() -> None:
    """All of them run right after it, and that is one moment; it may be a tick of its own as well."""
    assert ticks("0,15,30 3,4 * * *", ATHENS, FORWARD) == ["29 04:00 +0300", "29 04:15 +0300", "29 04:30 +0300"]


def test_a_fixed_time_in_the_repeated_hour_runs_once() -> None:
    """03:30 comes twice on the day on which clocks go back at four: it runs the first time."""
    assert ticks("30 3 * * *", ATHENS, BACK, 25) == ["25 03:30 +0300"]


def test_stars_do_not_tick_in_the_skipped_hour() -> None:
    """With `*` in the hour ticks follow the wall clock, and the hour is not on it."""
    assert ticks("30 * * * *", ATHENS, FORWARD, 5) == [
        "29 00:30 +0200",
        "29 01:30 +0200",
        "29 02:30 +0200",
        "29 04:30 +0300",
        "29 05:30 +0300",
    ]


def test_stars_tick_twice_in_the_repeated_hour() -> None:
    """With `*` in the hour ticks follow the wall clock, and the hour is on it twice."""
    assert ticks("30 * * * *", ATHENS, BACK, 6) == [
        "25 00:30 +0300",
        "25 01:30 +0300",
        "25 02:30 +0300",
        "25 03:30 +0300",
        "25 03:30 +0200",
        "25 04:30 +0200",
    ]


def test_steps_of_minutes_follow_the_wall_clock() -> None:
    """`*/n` counts as a star: `*/20 3` ticks six times when the hour is repeated, and not when it is skipped."""
    assert len(ticks("*/20 3 * * *", ATHENS, BACK, 25)) == 6
    assert ticks("*/20 3 * * *", ATHENS, FORWARD) == []


def test_midnight_may_be_skipped() -> None:
    """Where clocks go forward at midnight, what is fixed there runs at one; a star has no tick there."""
    assert ticks("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00") == ["24 01:00 +0300"]
    assert ticks("*/30 0 * * *", "Africa/Cairo", "2026-04-23T12:00") == []


def test_half_an_hour_may_be_skipped() -> None:
    """On Lord Howe Island clocks go forward by half an hour: the hour after that has all its minutes."""
    found = ticks("*/15 2,3 * * *", "Australia/Lord_Howe", "2026-10-04")

    assert [text[3:8] for text in found] == ["02:30", "02:45", "03:00", "03:15", "03:30", "03:45"]


def test_a_skipped_day_runs_right_after_it() -> None:
    """Samoa went without the 30th of December 2011: what was fixed on it ran as the 31st began."""
    found = ticks("0 9 30 12 *", "Pacific/Apia", "2011-12-29T00:00", 72)

    assert found == ["31 00:00 +1400"]


def test_a_day_that_is_rare_is_found() -> None:
    """The 29th of February on a weekday comes once in 28 years."""
    moment = Cron("0 0 29 2 *", "America/New_York").next_after(int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()))

    assert moment is not None
    assert datetime.fromtimestamp(moment, UTC).isoformat() == "2028-02-29T05:00:00+00:00"


@pytest.mark.parametrize(
    ("expression", "zone", "told"),
    [
        ("* * * *", "UTC", "five fields"),
        ("0 * * * * *", "UTC", "five fields"),
        ("60 * * * *", "UTC", "bad minute"),
        ("x * * * *", "UTC", "bad minute"),
        ("0 0 31 2 *", "UTC", "bad day-of-month"),
        ("0 0 * * *", "Europe/Atlantis", "'Europe/Atlantis'"),
        ("0 0 * * *", "../etc/passwd", "zone"),
        ("0 0 * * *", "", "zone"),
    ],
)
def test_what_is_wrong_is_said(expression: str, zone: str, told: str) -> None:
    """An expression that is none, or never comes, and a zone that is not there are refused in words."""
    with pytest.raises(ValueError, match=told):
        Cron(expression, zone)


# Against a walk through the whole year

QUARTER = 900
BEGIN = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
END = BEGIN + 365 * 86_400


class Moment(NamedTuple):
    """A quarter of an hour: when, what the wall clock shows, for the second time, and what it skips right before."""

    at: int
    minute: int
    hour: int
    again: bool
    skipped: tuple[tuple[int, int], ...]


@cache
def year(zone: str) -> list[Moment]:
    """Every quarter of an hour of 2026 on the wall clock of a zone."""
    place, moments = ZoneInfo(zone), list[Moment]()
    before: datetime | None = None
    for at in range(BEGIN - QUARTER, END, QUARTER):
        shown = datetime.fromtimestamp(at, UTC).astimezone(place)
        wall = shown.replace(tzinfo=None, fold=0)
        skipped: list[tuple[int, int]] = []
        if before is not None:
            missing = before + timedelta(minutes=15)
            while missing < wall:
                skipped.append((missing.hour, missing.minute))
                missing += timedelta(minutes=15)
        if at >= BEGIN:
            moments.append(Moment(at, wall.minute, wall.hour, shown.fold == 1, tuple(skipped)))
        before = wall
    return moments


def expected(zone: str, minutes: set[int], hours: set[int], *, star: bool) -> list[int]:
    """The ticks of the year by the rules, found by looking at every quarter of an hour."""
    found: list[int] = []
    for at, minute, hour, again, skipped in year(zone):
        here = minute in minutes and hour in hours and (star or not again)
        late = not star and any(h in hours and m in minutes for h, m in skipped)
        if here or late:
            found.append(at)
    return found


MINUTES = st.sets(st.sampled_from([0, 15, 30, 45]), min_size=1)
HOURS = st.sets(st.integers(0, 23), min_size=1, max_size=6)


def walked(cron: Cron) -> list[int]:
    """The ticks of the year, one after the other."""
    found: list[int] = []
    at = cron.next_after(BEGIN - 1)
    while at is not None and at < END:
        found.append(at)
        at = cron.next_after(at)
    return found


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=3, deadline=None)
@given(minutes=MINUTES, hours=HOURS)
def test_fixed_times_tick_by_the_rules_all_year(zone: str, minutes: set[int], hours: set[int]) -> None:
    """Whatever the fixed times and the zone: each tick of the year is there, and none twice."""
    expression = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"

    assert walked(Cron(expression, zone)) == expected(zone, minutes, hours, star=False)


@pytest.mark.parametrize("zone", ZONES)
@settings(max_examples=2, deadline=None)
@given(step=st.sampled_from([1, 2, 3, 5, 7]), minutes=MINUTES)
def test_stars_tick_by_the_wall_clock_all_year(zone: str, step: int, minutes: set[int]) -> None:
    """Whatever the step and the zone: the wall clock's own times are the ticks, none more and none fewer."""
    hours = "*" if step == 1 else f"*/{step}"
    expression = f"{','.join(map(str, minutes))} {hours} * * *"

    assert walked(Cron(expression, zone)) == expected(zone, minutes, set(range(0, 24, step)), star=True)


@settings(max_examples=60, deadline=None)
@given(zone=st.sampled_from(ZONES), minutes=MINUTES, hours=HOURS, at=st.integers(BEGIN, END - 86_400 * 7))
def test_the_next_tick_is_the_same_from_wherever_one_looks(
    zone: str, minutes: set[int], hours: set[int], at: int
) -> None:
    """From any second of the year, between two summer times or within a change, the next tick is the one after it."""
    cron = Cron(f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *", zone)

    following = next(tick for tick in expected(zone, minutes, hours, star=False) if tick > at)

    assert cron.next_after(at) == following
