"""What is kept under the keys of clients: whose, how long, how much, and by which call; on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from antiphon import App, Context, Module, Once, SetupError, Store, Work, action, allow, anyone
from antiphon.core.caller import ANONYMOUS, SYSTEM, Caller
from antiphon.core.connection import Connection
from antiphon.core.errors import Conflict, InvalidInput, TooManyCalls
from antiphon.core.idempotency import Idempotency, KeyTaken
from antiphon.services.idempotency.keys import name_key
from antiphon.services.idempotency.service import idempotency
from antiphon.testing.app import TestApp
from antiphon.testing.waiting import wait_until
from tests.services.idempotency_stage import (
    ADA,
    ADDRESS,
    BEN,
    Counter,
    Stage,
    count,
    everything,
    keys,
    other,
    replayed,
    staged,
)
from tests.services.outbox_stage import app_with, counters, entries, numbers


@pytest.fixture
async def stage(store: Store) -> AsyncIterator[Stage]:
    """The application, on its default settings."""
    async with staged(store) as opened:
        yield opened


# Once


async def test_a_repeat_does_nothing(stage: Stage) -> None:
    """It is given the first result, and told so."""
    first, again = stage.context("k"), stage.context("k")

    results = [await stage.run(first, count), await stage.run(again, count)]

    assert (results, stage.count) == (["a 1", "a 1"], 1)
    assert (replayed(first), replayed(again)) == (False, True)


async def test_two_processes_share_their_keys(store: Store) -> None:
    """Fifty calls at once through two applications: one runs, and nobody is given anything else."""
    counter = Counter()
    async with staged(store, counter) as one, staged(store, counter) as two:
        calls = [stage.call("k") for _ in range(25) for stage in (one, two)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)

        assert counter.count == 1
        assert {str(outcome) for outcome in outcomes if isinstance(outcome, str)} == {"a 1"}
        assert all(isinstance(outcome, str | KeyTaken) for outcome in outcomes)
        assert await two.call("k") == "a 1"


async def test_an_error_of_the_applications_own_keeps_its_type(stage: Stage) -> None:
    """What a caller may tell apart stays apart."""
    told: list[Conflict] = []
    for _ in range(2):
        with pytest.raises(Conflict, match="It is sold") as caught:
            await stage.call("k", sold=True)
        told.append(caught.value)

    assert ([error.type for error in told], stage.count) == (["SOLD", "SOLD"], 1)


# Whose


@pytest.mark.parametrize(
    "who",
    [
        (BEN, ADDRESS),
        (Caller("user", "ada", "another"), ADDRESS),
        (SYSTEM, ADDRESS),
        (ANONYMOUS, ADDRESS),
    ],
    ids=["user", "tenant", "system", "anonymous"],
)
async def test_a_key_is_its_callers(stage: Stage, who: tuple[Caller, str]) -> None:
    """Another user, tenant, or nobody in particular has another key."""
    await stage.call("k", ADA)

    assert await stage.call("k", *who) == "a 2"


async def test_a_user_is_the_same_from_everywhere(stage: Stage) -> None:
    """A phone that changes its network repeats its call."""
    await stage.call("k", ADA, "192.0.2.1")

    assert await stage.call("k", ADA, "2001:db8::1") == "a 1"


@pytest.mark.parametrize("address", ["192.0.2.2", "2001:db8::2", ""])
async def test_who_is_not_signed_in_is_an_address(stage: Stage, address: str) -> None:
    """The whole of it: a neighbour is somebody else."""
    await stage.call("k", address="2001:db8::1")

    assert await stage.call("k", address=address) == "a 2"


async def test_a_key_is_its_actions(stage: Stage) -> None:
    """The same key with the same inputs for another action is another call."""
    await stage.call("k")

    assert await stage.run(stage.context("k"), other) == "a"


def test_no_two_owners_of_a_key_are_one() -> None:
    """However their names are cut, and whatever stands in them."""
    nowhere = Connection("direct")
    given = [
        name_key("k", "a:b", Caller("user", "x", "y"), nowhere),
        name_key("k", "a:b", Caller("user", "y", "x"), nowhere),
        name_key("k", "a:b", Caller("user", 'x","y'), nowhere),
        name_key("k", "a:b", Caller("user", "xy"), nowhere),
        name_key("b k", "a", Caller("user", "x", "y"), nowhere),
        name_key("k", "a:b", ANONYMOUS, Connection("direct", identifier="x")),
    ]

    assert len({named.id for named in given}) == len({named.secret for named in given}) == len(given)


# How long


async def test_an_answer_is_kept_for_its_time(store: Store) -> None:
    """After `keep_time` the key is a new one, and nothing of the old is left."""
    async with staged(store, keep_time="50ms") as stage:
        await stage.call("k")

        async def gone() -> bool:
            return not await keys(store)

        await wait_until(gone, "the answer was never forgotten")
        assert await stage.call("k") == "a 2"


async def test_everything_has_a_lifetime(stage: Stage, store: Store) -> None:
    """What runs, what was kept, and what is counted."""
    await stage.begin("running", 5.0)
    await stage.call("kept")

    lifetimes = {name: await store.client.pttl(store.key(name)) for name in await keys(store)}

    day = 24 * 3600 * 1000
    assert len(lifetimes) == 3
    assert all(0 < lifetime <= day for lifetime in lifetimes.values())
    assert min(lifetimes.values()) <= 20_000


async def test_a_process_that_died_holds_its_key(stage: Stage) -> None:
    """Repeats are refused for as long as its call would have taken."""
    await stage.begin("k", 30.0)

    with pytest.raises(KeyTaken):
        await stage.call("k")
    assert stage.count == 0


async def test_a_process_that_died_lets_go_of_its_key(store: Store) -> None:
    """When its call would have ended, a repeat runs."""
    async with staged(store, grace_time="0s") as stage:
        await stage.begin("k", 0.02)

        async def runs() -> bool:
            try:
                return await stage.call("k") == "a 1"
            except KeyTaken:
                return False

        await wait_until(runs, "the key was never free")


async def test_who_comes_late_keeps_nothing_of_its_own(store: Store) -> None:
    """A call that lost its key to another does not overwrite the other's answer, nor free the key."""
    async with staged(store, grace_time="0s") as stage:
        ctx, late = await stage.begin("k", 0.02)

        async def free() -> bool:
            return not any(":used" not in name for name in await keys(store))

        await wait_until(free, "the key was never free")
        await stage.call("k")

        await late.keep(ctx, "late")
        await late.fail(RuntimeError())

        assert await stage.call("k") == "a 1"


async def test_who_comes_late_alone_is_kept(store: Store) -> None:
    """Nobody else ran meanwhile, and what was done was done."""
    async with staged(store, grace_time="0s") as stage:
        ctx, late = await stage.begin("k", 0.02)

        async def free() -> bool:
            return not any(":used" not in name for name in await keys(store))

        await wait_until(free, "the key was never free")
        await late.keep(ctx, "late")

        assert await stage.call("k") == "late"


async def test_a_call_that_is_cancelled_frees_its_key(stage: Stage) -> None:
    """At once."""
    _, attempt = await stage.begin("k", 5.0)

    await attempt.fail(asyncio.CancelledError())

    assert await stage.call("k") == "a 1"


# How much


async def test_a_caller_has_so_many_keys(store: Store) -> None:
    """More are refused until there is room; repeats need none, and other callers have their own."""
    async with staged(store, caller_keys=2) as stage:
        await stage.call("1", ADA)
        await stage.call("2", ADA)

        with pytest.raises(TooManyCalls) as refused:
            await stage.call("3", ADA)

        assert 0 < refused.value.retry_after <= 24 * 3600
        assert (await stage.call("1", ADA), await stage.call("3", BEN)) == ("a 1", "a 3")


async def test_a_call_that_keeps_nothing_uses_no_key_up(store: Store) -> None:
    """Whoever meets errors that pass may try as often as limits allow."""
    async with staged(store, caller_keys=1) as stage:
        for _ in range(3):
            _, attempt = await stage.begin("k", 5.0)
            await attempt.fail(RuntimeError())

        assert await stage.call("k") == "a 1"


async def test_a_caller_has_room_for_so_much(store: Store) -> None:
    """What comes then is done, and only that it was done is kept."""
    async with staged(store, caller_bytes=500) as stage:
        await stage.call("1", text="x" * 100)
        await stage.call("2", text="x" * 300)

        assert (await stage.call("1", text="x" * 100)).endswith("x 1")
        with pytest.raises(KeyTaken, match="too large"):
            await stage.call("2", text="x" * 300)
        assert stage.count == 2


# What lies in the store


async def test_the_store_tells_nothing_of_a_call(stage: Stage, store: Store) -> None:
    """Neither key, inputs, answer, caller nor address: only whoever has the key can read what is kept under it."""
    await stage.call("the-key", text="the-text", address="198.51.100.7")
    await stage.call("the-key", ADA, text="the-text")

    held = await everything(store)

    for word in (b"the-key", b"the-text", b"198.51.100.7", b"ada", b"choir"):
        assert word not in held


async def test_an_answer_that_was_changed_is_not_given(stage: Stage, store: Store) -> None:
    """Whoever writes to the store cannot put words into it; the call stays done."""
    await stage.call("k")
    (entry,) = [name for name in await keys(store) if not name.endswith(":used")]
    await store.client.execute_command("HSET", store.key(entry), "answer", "!unknown")

    with pytest.raises(KeyTaken, match="cannot be read"):
        await stage.call("k")
    assert stage.count == 1


# Where it is


def test_an_application_with_a_store_has_keys() -> None:
    """Whoever needs the store brings them along; without it nothing is opened for them."""
    here = "tests.services.idempotency_stage"
    without, having = App("without", modules=[Module(here)]), App("with", modules=[Module(here, needs=[Store])])

    opened = [idempotency in [step.service for step in app.plan(app.gathered()).steps] for app in (without, having)]

    assert opened == [False, True]


@pytest.mark.parametrize("settings", [{"keep_time": "0s"}, {"grace_time": "-1s"}, {"caller_keys": 0}], ids=str)
async def test_settings_that_make_no_sense_stop_the_start(store: Store, settings: dict[str, Any]) -> None:
    """They are named."""
    with pytest.raises(SetupError, match=next(iter(settings)).upper() + "|" + next(iter(settings))):
        async with staged(store, **settings):
            pass


# With the ledger


@action("keyed:once", allow(anyone))
async def insert_once(ctx: Context, number: int) -> int:
    """Write a counter, once."""
    async with ctx.once():
        await ctx.get(Work).execute(insert(counters), {"id": number, "value": number})
    return number


ledger_module = Module(__name__, needs=[Work, Once, Idempotency])


async def _insert(app: TestApp, number: int, caller: Caller = SYSTEM) -> tuple[int, bool]:
    ctx = app.runtime.context(insert_once, Connection("direct"), caller=caller)
    ctx.client_key = "k"
    runner = app.runtime.runner(insert_once.name)
    result = await runner.run(ctx, insert_once.schema.from_python, {"number": number})
    return result, replayed(ctx)


@pytest.fixture
async def kept(store: Store, database_url: str, tmp_path: Path) -> AsyncIterator[TestApp]:
    """An application with keys and a ledger."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": store.address.url, "REDIS_PREFIX": store.prefix}
    async with TestApp.start(app_with(ledger_module), tmp_path, environ, listen=False) as opened:
        yield opened


async def test_an_equal_key_of_another_caller_is_another_entry(kept: TestApp) -> None:
    """In the ledger too: nobody is told of a conflict with somebody else's key."""
    await _insert(kept, 1, ADA)

    assert await _insert(kept, 2, BEN) == (2, False)
    assert await numbers(kept) == [(1, 1), (2, 2)]
    assert "k" not in await entries(kept)


async def test_the_ledger_remembers_what_the_store_forgot(kept: TestApp, store: Store) -> None:
    """Of a process that died before its answer was kept, or a store that lost it: the effect is not made again."""
    await _insert(kept, 1)
    await store.client.delete(*[store.key(name) for name in await keys(store) if "idempotency" in name])

    assert await _insert(kept, 1) == (1, True)
    assert await _insert(kept, 1) == (1, True)
    with pytest.raises(InvalidInput):
        await _insert(kept, 2)
    assert await numbers(kept) == [(1, 1)]
