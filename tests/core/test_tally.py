"""Counts of calls: whichever way one is kept, what is read is the sum of all."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.tally import BUCKETS, OK, Tally

CALLS = st.tuples(st.sampled_from([OK, "NOT_FOUND", "DEFECT"]), st.sampled_from([0.0, *BUCKETS, 0.0015, 29.0, 31.0]))


@given(st.lists(CALLS))
def test_every_call_is_counted_once(calls: list[tuple[str, float]]) -> None:
    """By its outcome, in the class of its time, a bound belonging to the class that it ends."""
    tally = Tally()
    for outcome, seconds in calls:
        tally.add(outcome, seconds)

    classes = Counter(bisect_left(BUCKETS, seconds) for _, seconds in calls)
    assert tally.outcomes == Counter(outcome for outcome, _ in calls)
    assert tally.buckets == [classes[at] for at in range(len(BUCKETS) + 1)]
    assert tally.seconds == pytest.approx(sum(seconds for _, seconds in calls))
