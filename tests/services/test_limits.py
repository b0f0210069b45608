"""Limits in the store: what they count, for whom, and what callers are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from antiphon.core.caller import SYSTEM
from antiphon.core.errors import TooLarge, TooManyCalls
from antiphon.core.limits import OverLimit, limit
from antiphon.services.limits.counting import DECIDE, Charge, arguments, read_answer
from antiphon.services.limits.local import LocalCounts
from antiphon.services.limits.policies import Policy
from antiphon.stores.base import Store
from tests.services.limits_stage import ADA, BEN, EVE, Stage, keys, lasting, staged, states

THREE = limit(3, per="1h")


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """Limits as they are, but for the time a busy machine may need."""
    async with staged(store, store_time="5s") as opened:
        yield opened


# What has room


async def test_a_window_holds_as_many_as_it_says(stage: Stage) -> None:
    """Three calls an hour are three calls."""
    assert await stage.count(THREE) == 3


async def test_a_burst_may_come_at_once(stage: Stage) -> None:
    """With a burst of two, two calls pass at once, however many an hour there may be."""
    assert await stage.count(limit(10, per="1h", burst=2)) == 2


async def test_an_even_flow_gives_back_one_by_one(stage: Stage) -> None:
    """A refused caller is told to wait for the next one call and not for the whole window."""
    flow = limit(60, per="1h", burst=2)
    await stage.count(flow)

    with pytest.raises(OverLimit) as refused:
        await stage.charge(flow)

    assert 50 < refused.value.retry_after <= 60


async def test_a_cost_takes_as_much(stage: Stage) -> None:
    """A call that costs two leaves one of three."""
    told = await stage.charge(THREE, cost=2)

    assert told[0].remaining == 1


async def test_a_cost_above_the_count_is_too_large(stage: Stage) -> None:
    """What can never pass is not told to wait."""
    with pytest.raises(TooLarge):
        await stage.charge(THREE, cost=4)


async def test_a_refused_call_charges_nothing(stage: Stage) -> None:
    """When one of two limits has no room, the other is as it was."""
    wide = limit(5, per="2h", by="tenant")
    narrow = limit(1, per="1h", by="user")
    both = (wide, narrow)
    await stage.charge(*both, caller=ADA)
    assert await stage.count(*both, caller=ADA) == 0

    told = await stage.charge(*both, caller=BEN)

    assert [state.remaining for state in told] == [3, 0]


async def test_a_refused_call_charges_nothing_of_everyone(stage: Stage) -> None:
    """Also where the limits of everyone are decided in a step of their own."""
    own, everyone = limit(5, per="1h", by="user"), limit(1, per="1h", by="everyone")
    await stage.charge(own, everyone, caller=ADA)

    assert await stage.count(own, everyone, caller=BEN) == 0
    assert (await stage.charge(limit(5, per="1h", by="user"), limit(9, per="2h", by="everyone"), caller=BEN))[
        0
    ].remaining == 4


async def test_a_shadow_never_refuses(stage: Stage) -> None:
    """A limit that is only watched lets everything pass and tells callers nothing."""
    shadow = limit(1, per="1h", shadow=True)

    assert await stage.count(shadow) == 50
    assert await stage.charge(shadow) == []


async def test_what_has_no_room_is_measured(stage: Stage) -> None:
    """Limits that refused, and those that would have, are counted by name."""
    registry = CollectorRegistry()
    for collector in stage.limits.collectors():
        registry.register(collector)
    await stage.count(limit(1, per="1h", shadow=True))
    await stage.count(limit(1, per="2h"))

    def measured(watched: str) -> float | None:
        return registry.get_sample_value("antiphon_limit_refusals_total", {"limit": "stage", "watched": watched})

    assert (measured("yes"), measured("no")) == (49, 1)


# Whose calls


async def test_users_have_their_own(stage: Stage) -> None:
    """What one has used up is not missing to another."""
    await stage.count(THREE, caller=ADA)

    assert await stage.count(THREE, caller=BEN) == 3


async def test_a_tenant_is_counted_together(stage: Stage) -> None:
    """The users of one tenant share what is by tenant, and those of another do not."""
    together = limit(3, per="1h", by="tenant")
    await stage.count(together, caller=ADA)

    assert await stage.count(together, caller=BEN) == 0
    assert await stage.count(together, caller=EVE) == 3


async def test_everyone_is_counted_together(stage: Stage) -> None:
    """What is by everyone counts the endpoint as a whole."""
    everyone = limit(3, per="1h", by="everyone")
    await stage.count(everyone, caller=ADA)

    assert await stage.count(everyone, caller=EVE) == 0
    assert await stage.count(everyone) == 0


async def test_callers_who_are_not_known_are_counted_by_address(stage: Stage) -> None:
    """The address stands for whoever comes from it."""
    await stage.count(THREE, address="192.0.2.1")

    assert await stage.count(THREE, address="192.0.2.1") == 0
    assert await stage.count(THREE, address="192.0.2.2") == 3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
async def test_one_line_is_one_address(stage: Stage, one: str, other: str) -> None:
    """The half of an IPv6 address that its owner chooses makes no other caller; nor does another way of writing it."""
    await stage.count(THREE, address=one)

    assert await stage.count(THREE, address=other) == 0


async def test_an_address_counts_within_the_tenant_of_who_is_known(stage: Stage) -> None:
    """Two tenants behind one address do not use up each other's limits."""
    by_address = limit(3, per="1h", by="address")
    await stage.count(by_address, caller=ADA)

    assert await stage.count(by_address, caller=BEN) == 0
    assert await stage.count(by_address, caller=EVE) == 3


async def test_the_system_has_no_limits_of_its_own(stage: Stage) -> None:
    """Scheduled work and operators are under what is by everyone alone."""
    assert await stage.count(THREE, caller=SYSTEM) == 50
    assert await stage.count(limit(3, per="1h", by="everyone"), caller=SYSTEM) == 3


async def test_ids_cannot_make_keys_of_others(stage: Stage, store: Store) -> None:
    """An id with braces or colons in it is a digest in the key."""
    odd = type(ADA)("user", "x}:tenant:y", "a}{b")

    await stage.charge(THREE, caller=odd)

    assert all(name.count("{") == name.count("}") == 1 and "x}" not in name for name in await keys(store))


# What is told


async def test_callers_are_told_what_is_left(stage: Stage) -> None:
    """Name, quota and window of the limit, what remains of it, and when there will be more."""
    state = (await stage.charge(THREE))[0]

    assert (state.policy, state.quota, state.window_seconds, state.remaining) == ("stage", 3, 3600, 2)
    assert 0 < state.reset_seconds <= 3960


async def test_a_refused_caller_is_told_when_there_is_room(stage: Stage) -> None:
    """The wait ends within the window and the one part of it that is counted whole, and names the limit."""
    await stage.count(THREE)
    ctx = stage.context()

    with pytest.raises(OverLimit) as refused:
        await stage.limits.charge(ctx, THREE, name="stage")

    assert 3600 <= refused.value.retry_after <= 3960
    assert refused.value.policies == ("stage",)
    assert states(ctx)[0].remaining == 0


# In the store


async def test_every_key_has_a_lifetime(stage: Stage, store: Store) -> None:
    """Nothing stays in the store once it counts no more."""
    many = [limit(2, per="1h", by="user"), limit(9, per="1h", burst=2, by="tenant"), limit(1, per="1h", by="everyone")]
    await stage.count(*many, caller=ADA)
    await stage.count(*many[:2], caller=BEN)

    assert len(await keys(store)) >= 4
    assert await lasting(store) == []


async def test_the_keys_of_a_call_share_a_slot(stage: Stage, store: Store) -> None:
    """The tenant's for who is known, and the address's for who is not: so one script decides them on a Cluster too."""
    await stage.charge(
        limit(3, per="1h"), limit(3, per="1h", by="tenant"), limit(3, per="1h", by="address"), caller=ADA
    )
    await stage.charge(limit(3, per="1h"), limit(3, per="1h", by="address"))

    slots = {name.partition("}")[0] + "}" for name in await keys(store)}
    assert slots == {"{limits.t.choir}", "{limits.a.192.0.2.1}"}


async def test_a_decision_is_one_trip(stage: Stage, store: Store) -> None:
    """However many limits a call is under, the store is asked once."""
    many = [limit(9, per="1h"), limit(9, per="1h", by="tenant"), limit(9, per="1h", by="address", burst=3)]
    await stage.charge(*many, caller=ADA)
    before = await _scripts_run(store)

    await stage.charge(*many, caller=ADA)

    assert await _scripts_run(store) == before + 1


async def test_the_store_counts_as_a_process_does(store: Store) -> None:
    """The script and a process alone decide alike, whatever comes when: they are told the same to the microsecond."""
    random, local = Random(7), LocalCounts(1_000)
    policies = [
        Policy.of(limit(5, per="50ms", by="user"), "a"),
        Policy.of(limit(40, per="1s", burst=4), "b"),
        Policy.of(limit(3, per="20ms", by="user", shadow=True), "c"),
    ]
    for _ in range(400):
        chosen = random.sample(policies, random.randint(1, 3))
        charges = [Charge(policy, f"{{k}}:{policy.key}", random.choice([0, 1, 1, 2, 3])) for policy in chosen]
        answer = await store.run(DECIDE, [store.key(charge.key) for charge in charges], arguments(charges))
        decided = read_answer(answer)

        assert local.decide(charges, decided.at) == decided
        await asyncio.sleep(random.choice([0, 0, 0.001, 0.004]))


async def test_a_clock_that_goes_back_gives_nothing_away(store: Store) -> None:
    """What a store has counted in the future, as before a failover, is counted as of now."""
    policy = Policy.of(limit(3, per="1h"), "a")
    charge = Charge(policy, "{k}", 1)
    future = 40_000_000_000_000_000 // policy.unit
    await store.client.set(store.key("{k}"), f"{future} 2 1", px=60_000)

    decided = read_answer(await store.run(DECIDE, [store.key("{k}")], arguments([charge])))

    assert not decided.passes


async def test_refusals_are_counted_by_address(store: Store) -> None:
    """After so many calls that their rule refused, the address is told to wait, and another one is not."""
    async with staged(store, refusals=3) as stage:
        for _ in range(3):
            stage.limits.count_refusal(stage.context())

        with pytest.raises(TooManyCalls):
            stage.limits.count_refusal(stage.context())
        stage.limits.count_refusal(stage.context(address="192.0.2.2"))


async def _scripts_run(store: Store) -> int:
    stats = await store.client.execute_command("INFO", "commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])
