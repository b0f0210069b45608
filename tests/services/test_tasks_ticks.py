"""Ticks of periods, and what becomes of those that nobody was there to see."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.services.tasks.cron import Cron
from antiphon.services.tasks.ticks import Bounds, Missed, Period, WallClock, newest, round_of

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = 1_767_268_800_000
"""2026-01-01 12:00 UTC, in milliseconds."""


def test_a_period_ticks_at_its_multiples_since_1970() -> None:
    """Every hour means every whole hour of UTC, whenever the application was started."""
    hourly = Period(HOUR)

    assert hourly.next_after(NOON - 1) == NOON
    assert hourly.next_after(NOON) == NOON + HOUR


def test_an_offset_moves_the_ticks() -> None:
    """`every("1h", offset="5m")` is five past."""
    assert Period(HOUR, 5 * MINUTE).next_after(NOON) == NOON + 5 * MINUTE


@given(period=st.integers(1000, 10**9), offset=st.integers(0, 999), at=st.integers(0, 10**13))
def test_a_period_leaves_out_nothing(period: int, offset: int, at: int) -> None:
    """The next tick is later, by no more than a period, and a whole multiple of it from the offset."""
    following = Period(period, offset).next_after(at)

    assert following is not None
    assert at < following <= at + period
    assert (following - offset) % period == 0


@given(until=st.integers(NOON, NOON + HOUR), span=st.integers(0, 300 * HOUR), most=st.integers(1, 50))
def test_the_newest_are_found_from_the_end(until: int, span: int, most: int) -> None:
    """Looking backward finds the same ticks as walking through all of them."""
    hourly = WallClock(Cron("17 * * * *"))
    every = [tick for tick in range(NOON - 301 * HOUR + 17 * MINUTE, until + 1, HOUR) if until - span < tick]

    assert newest(hourly, until - span, until, most) == every[-most:]


def test_nothing_is_due_before_its_time() -> None:
    """Between two ticks there is nothing to do."""
    assert round_of(Period(HOUR), "once", NOON, NOON + HOUR - 1) is None


def test_a_store_whose_clock_went_back_repeats_no_tick() -> None:
    """A last tick in the future means that these have been."""
    assert round_of(Period(MINUTE), "all", NOON + HOUR, NOON) is None


def test_a_tick_of_the_last_minute_is_run_whatever_the_policy() -> None:
    """Up to sixty seconds late is not missed."""
    policies: tuple[Missed, ...] = ("once", "skip", "all")
    for missed in policies:
        found = round_of(Period(HOUR), missed, NOON - HOUR, NOON + MINUTE)

        assert found is not None
        assert (found.missed, found.fresh, found.passed_over) == ((), (NOON,), 0)


def test_a_missed_tick_is_more_than_a_minute_late() -> None:
    """A millisecond over sixty seconds it falls under the policy."""
    found = round_of(Period(HOUR), "skip", NOON - HOUR, NOON + MINUTE + 1)

    assert found is not None
    assert (found.missed, found.fresh, found.passed_over, found.last) == ((), (), 1, NOON)


def test_once_runs_the_newest_missed_tick() -> None:
    """Three hours away, every hour: the last of the three."""
    found = round_of(Period(HOUR), "once", NOON - 3 * HOUR, NOON + 10 * MINUTE)

    assert found is not None
    assert (found.missed, found.passed_over) == ((NOON,), 2)


def test_all_runs_each_missed_tick() -> None:
    """Three hours away, every hour: all three, oldest first."""
    found = round_of(Period(HOUR), "all", NOON - 3 * HOUR, NOON + 10 * MINUTE)

    assert found is not None
    assert (found.missed, found.passed_over) == ((NOON - 2 * HOUR, NOON - HOUR, NOON), 0)


def test_all_has_a_bound() -> None:
    """After too long away the newest thousand are run."""
    found = round_of(Period(MINUTE), "all", NOON - 100 * 24 * HOUR, NOON + 2 * MINUTE)

    assert found is not None
    assert len(found.missed) == 1_000
    assert found.missed[-1] == NOON
    assert found.fresh == (NOON + MINUTE, NOON + 2 * MINUTE)


@given(
    policy=st.sampled_from(["once", "all", "skip"]),
    looks=st.lists(st.integers(1, 3 * HOUR), min_size=1, max_size=30),
    period=st.integers(20, 120).map(lambda seconds: seconds * 1000),
)
def test_however_often_one_looks_each_tick_is_dealt_with_once(policy: Missed, looks: list[int], period: int) -> None:
    """Run or passed over: the ticks of all rounds together are the ticks there were, each once."""
    ticks, bounds = Period(period), Bounds(most=10_000)
    last, now, run, passed = NOON, NOON, list[int](), 0

    for wait in looks:
        now += wait
        found = round_of(ticks, policy, last, now, bounds)
        if found is not None:
            run += [*found.missed, *found.fresh]
            passed += found.passed_over
            last = found.last

    there = range((NOON // period + 1) * period, now + 1, period)
    assert sorted(set(run)) == run
    assert len(run) + passed == len(there)
    assert set(run) <= set(there)
    assert policy != "all" or passed == 0
