"""Whether two samples of times can be told apart, by their ranks and not by how long anything takes."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

FAR = 5.0
"""Standard deviations of the rank test. Chance reaches this less than once in a million runs, and without a decoy for
unknown accounts it is over 10."""


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """How far apart two samples are by their ranks, in standard deviations (the U of Mann and Whitney)."""
    both = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    ranks = sum(rank for rank, (_, kind) in enumerate(both, 1) if kind == 0)
    m, n = len(one), len(other)
    return (ranks - m * (m + n + 1) / 2) / sqrt(m * n * (m + n + 1) / 12)
