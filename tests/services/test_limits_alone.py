"""The arithmetic of limits, as a process counts alone; the store's is held against it in `test_limits`."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.core.limits import limit
from antiphon.services.limits.counting import Charge
from antiphon.services.limits.local import LocalCounts
from antiphon.services.limits.policies import Policy

MICROS = 1_000_000
gaps = st.lists(st.integers(0, 400_000), min_size=1, max_size=150)


def charge(policy: Policy, cost: int = 1, key: str = "k") -> Charge:
    """A charge under one limit."""
    return Charge(policy, key, cost)


@given(gaps, st.integers(1, 12))
def test_no_window_ever_holds_more(gaps: list[int], count: int) -> None:
    """Wherever a window of the limit's time is laid, it holds no more than the count."""
    policy, counts = Policy.of(limit(count, per="1s"), "a"), LocalCounts(10)
    now, passed = 10 * MICROS, list[int]()
    for gap in gaps:
        now += gap
        if counts.decide([charge(policy)], now).passes:
            passed.append(now)

    for first, beyond in zip(passed, passed[count:], strict=False):
        assert beyond - first >= MICROS


@given(gaps, st.integers(1, 12))
def test_a_window_refuses_no_longer_than_a_part_too_long(gaps: list[int], count: int) -> None:
    """A call is refused only when the time of the window and a tenth more hold as many as may pass."""
    policy, counts = Policy.of(limit(count, per="1s"), "a"), LocalCounts(10)
    now, passed = 10 * MICROS, list[int]()
    for gap in gaps:
        now += gap
        if counts.decide([charge(policy)], now).passes:
            passed.append(now)
        else:
            assert sum(now - at < 1.1 * MICROS for at in passed) >= count


@given(gaps, st.integers(1, 20), st.integers(1, 6))
def test_an_even_flow_never_gives_more_than_it_owes(gaps: list[int], count: int, burst: int) -> None:
    """In any time there pass the burst and what the time gives back, and never more."""
    policy, counts = Policy.of(limit(count, per="1s", burst=burst), "a"), LocalCounts(10)
    now, passed = 10 * MICROS, list[int]()
    for gap in gaps:
        now += gap
        if counts.decide([charge(policy)], now).passes:
            passed.append(now)

    for start, first in enumerate(passed):
        for more, last in enumerate(passed[start:]):
            assert more + 1 <= burst + (last - first) * count / MICROS + 1e-6


@given(gaps, st.integers(1, 6), st.integers(1, 3), st.booleans())
def test_who_waits_as_told_gets_in(gaps: list[int], count: int, cost: int, flows: bool) -> None:
    """A refused call that comes back alone when it was told to passes; a moment earlier it does not."""
    cost = min(cost, count)
    made = limit(count, per="1s", burst=count) if flows else limit(count, per="1s")
    policy, counts = Policy.of(made, "a"), LocalCounts(10)
    now = 10 * MICROS
    for gap in gaps:
        now += gap
        decided = counts.decide([charge(policy, cost)], now)
        if not decided.passes:
            early = now + decided.counts[0].wait - 1
            assert not counts.decide([charge(policy, cost)], early).passes
            assert counts.decide([charge(policy, cost)], early + 1).passes
            return


@given(gaps, st.integers(1, 4), st.integers(1, 4))
def test_all_or_nothing(gaps: list[int], one: int, other: int) -> None:
    """Two limits together let pass what the narrower one alone would, and the wider one loses nothing to refusals."""
    policies = Policy.of(limit(one, per="1s"), "a"), Policy.of(limit(other, per="2s"), "b")
    counts = LocalCounts(10)
    now, passed = 10 * MICROS, list[int]()
    for gap in gaps:
        now += gap
        decided = counts.decide([charge(policy, key=policy.name) for policy in policies], now)
        if decided.passes:
            passed.append(now)
        else:
            within = [sum(now - at < seconds * 1.1 * MICROS for at in passed) for seconds in (1, 2)]
            assert within[0] >= one or within[1] >= other


def test_what_was_counted_is_told() -> None:
    """After a charge the quota is smaller by its cost; after a refusal it is what it was."""
    policy, counts = Policy.of(limit(3, per="1s"), "a"), LocalCounts(10)

    told = [counts.decide([charge(policy, 2)], 10 * MICROS).counts[0].remaining for _ in range(2)]

    assert told == [1, 1]


def test_only_so_many_counters_are_kept() -> None:
    """The one that was left alone longest goes for a new one."""
    policy, counts = Policy.of(limit(1, per="1h"), "a"), LocalCounts(2)
    for key in ("a", "b", "c"):
        counts.decide([charge(policy, key=key)], 10 * MICROS)

    assert len(counts) == 2
    assert not counts.decide([charge(policy, key="c")], 10 * MICROS).passes
    assert counts.decide([charge(policy, key="a")], 10 * MICROS).passes
