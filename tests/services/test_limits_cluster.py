"""Limits on a Cluster, where the keys of one call are on several nodes, and what is asked for beside them."""

from __future__ import annotations

import asyncio

import pytest

from antiphon.core.limits import OverLimit, limit
from antiphon.stores.base import Store
from tests.services.limits_stage import ADA, BEN, staged
from tests.stores.store_stage import cluster, clustered

__all__ = ["cluster", "clustered"]

OWN, ALL = limit(5, per="1h", by="user"), limit(2, per="1h", by="everyone")


async def test_what_is_asked_at_one_moment_is_asked_on_every_node(clustered: Store) -> None:
    """Answers of several nodes come back to whoever asked for them."""
    keys = [clustered.key(f"{{hash.{number}}}") for number in range(30)]
    for number, key in enumerate(keys):
        await clustered.client.hset(key, "number", number)
        await clustered.client.pexpire(key, 60_000)

    held = await asyncio.gather(*(clustered.trips.hmget(key, ["number", "none"]) for key in keys))

    assert held == [[b"%d" % number, None] for number in range(30)]


async def test_a_refused_call_charges_nothing_on_any_node(clustered: Store) -> None:
    """When what everybody shares has no room, the caller's own limit on another node keeps its count."""
    async with staged(clustered, store_time="5s") as stage:
        for _ in range(2):
            await stage.charge(OWN, ALL, caller=BEN)

        with pytest.raises(OverLimit):
            await stage.charge(OWN, ALL, caller=ADA)

        assert [state.remaining for state in await stage.charge(OWN, caller=ADA)] == [4]


async def test_a_call_under_both_is_told_of_both(clustered: Store) -> None:
    """Two steps on two nodes are one decision for the caller."""
    async with staged(clustered, store_time="5s") as stage:
        told = await stage.charge(OWN, ALL, caller=ADA)

    assert [state.remaining for state in told] == [4, 1]
