"""Listeners: told of every event, as jobs, within the event's tenant."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from antiphon.core.access import allow, anyone
from antiphon.core.action import AnyAction, action
from antiphon.core.caller import SYSTEM
from antiphon.core.context import Context
from antiphon.core.errors import Conflict, Forbidden, NotFound, SetupError
from antiphon.core.event import event, event_type
from antiphon.core.inputs.kinds import Struct
from antiphon.core.job import Run, Tasks
from antiphon.core.runtime import Runtime
from antiphon.core.traits import only, retry
from antiphon.services.database.work import Work
from antiphon.services.events.dead import DeadLetterAdded
from antiphon.services.events.envelope import Origin, envelope
from antiphon.services.events.events import Events
from antiphon.services.events.listener import listener
from antiphon.services.metrics import Metrics
from antiphon.services.streams.message import encode_event
from antiphon.services.streams.queue import Queues
from antiphon.services.streams.record import JobFilter
from antiphon.stores.base import Store
from antiphon.testing.waiting import wait_until
from tests.services.events_stage import (
    ADA,
    KEPT,
    PAID,
    UNFINISHED,
    CartEmptied,
    Heard,
    OrderPaid,
    OrderShipped,
    context,
    log_of,
    logged,
    parts_of,
    publish,
    running,
)
from tests.services.outbox_stage import SCHEMA, counters

pytestmark = pytest.mark.lasting_keys(*KEPT)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def states(runtime: Runtime, queue: str) -> Sequence[str]:
    """Where the jobs of a queue stand that are not done."""
    page = await runtime.require(Queues, "the test").list(queue, JobFilter())
    return [record.state for record in page.jobs if record.state != "done"]


async def write(runtime: Runtime, kind: Any, fact: msgspec.Struct, **changes: Any) -> None:
    """Put an event into its log as another release would."""
    made = envelope(kind, fact, parts_of(runtime).names, Origin(runtime.ids.uuid7(), NOW, "choir"))
    made = msgspec.structs.replace(made, **changes)
    await log_of(runtime).append(kind.stream, [(made.id, encode_event(made))])


async def test_a_listener_is_told_of_each_event(store: Store) -> None:
    """Every event of its kind reaches a listener once, and no other does."""
    heard = Heard()

    @listener("receipt:send", OrderPaid)
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        heard.note(ctx, event)

    async with running(store, send_receipt) as runtime:
        await publish(runtime, OrderPaid("a", 1), OrderShipped("a"), CartEmptied(3), OrderPaid("a", 2))
        await wait_until(lambda: len(heard.by_listener["receipt:send"]) == 2, "the events never came")

    assert heard.by_listener["receipt:send"] == [OrderPaid("a", 1), OrderPaid("a", 2)]


async def test_a_listener_runs_as_the_application_within_the_events_tenant(store: Store) -> None:
    """It has every role and the tenant of the event; its job is named after both, and so are its effects."""
    heard = Heard()

    @listener("receipt:send", OrderPaid, retry(attempts=8))
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        heard.note(ctx, event)

    async with running(store, send_receipt) as runtime:
        (event_id,) = await publish(runtime, OrderPaid("a", 1))
        await wait_until(lambda: heard.contexts, "the event never came")

    (ctx,) = heard.contexts
    assert (ctx.caller.kind, ctx.caller.tenant_id) == ("system", "choir")
    assert isinstance(ctx.job, Run)
    assert (ctx.job.id, ctx.job.attempts, ctx.job.replay) == (f"on.receipt:send.{event_id}", 8, False)
    assert (ctx.idempotency_key, ctx.request_id, ctx.connection.type) == (ctx.job.id, "r1", "worker")


async def test_nobody_else_may_call_a_listener(store: Store) -> None:
    """To a user it is forbidden, whatever the way."""

    @listener("receipt:send", OrderPaid)
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        """Nothing."""

    async with running(store, send_receipt, works=False) as runtime:
        runner = runtime.runner("receipt:send")
        inputs = send_receipt.bind(OrderPaid("a", 1)).inputs
        with pytest.raises(Forbidden):
            await runner.run(context(runtime, ADA), lambda given: given, inputs)
        await runner.run(context(runtime, SYSTEM), lambda given: given, inputs)


async def test_a_failing_event_delays_only_its_key(store: Store) -> None:
    """Events with the key of one that is tried again wait for it, in order; all others go on."""
    heard, failures = Heard(), 0

    @listener("receipt:send", OrderPaid, retry(first="500ms"))
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        nonlocal failures
        if event.total == 1 and not failures:
            failures += 1
            raise RuntimeError("not yet")
        heard.note(ctx, event)

    async with running(store, send_receipt) as runtime:
        await publish(runtime, OrderPaid("a", 1), OrderPaid("b", 7), OrderPaid("a", 2), OrderPaid("a", 3))
        await wait_until(lambda: len(heard.contexts) == 4, "the events never came", within=10)

    told = heard.by_listener["receipt:send"]
    assert [event.total for event in told if event.order_id == "a"] == [1, 2, 3]
    assert OrderPaid("b", 7) in told
    assert failures == 1


@pytest.mark.lasting_keys(*UNFINISHED)
async def test_listeners_never_slow_each_other(store: Store) -> None:
    """While one listener's queue is full, another is told of everything."""
    heard = Heard()

    @listener("slow:hear", CartEmptied, retry(first="10m", max="10m"))
    async def hear_slowly(ctx: Context, event: CartEmptied) -> None:
        raise RuntimeError("not today")

    @listener("quick:hear", CartEmptied)
    async def hear_quickly(ctx: Context, event: CartEmptied) -> None:
        heard.note(ctx, event)

    async with running(store, hear_slowly, hear_quickly, environ={"EVENTS_AHEAD": "5"}) as runtime:
        await publish(runtime, *(CartEmptied(number) for number in range(40)))
        await wait_until(lambda: len(heard.contexts) == 40, "the quick one was kept waiting")
        slow = await runtime.require(Events, "the test").listeners.state("slow:hear")

    assert slow.unfinished == 5


async def test_an_older_event_comes_as_the_newest_version(store: Store) -> None:
    """What another release wrote is lifted before the listener sees it."""
    heard = Heard()

    @listener("receipt:send", OrderPaid)
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        heard.note(ctx, event)

    async with running(store, send_receipt) as runtime:
        data = msgspec.Raw(b'{"orderId":"a","sum":"12"}')
        await write(runtime, PAID, OrderPaid("a", 0), data=data, data_version=1)
        await wait_until(lambda: heard.contexts, "the event never came")

    assert heard.by_listener["receipt:send"] == [OrderPaid("a", 12)]


@pytest.mark.lasting_keys("{jobs.*}:job:*", "{jobs.*}:due")
async def test_an_event_of_a_newer_release_waits_for_it(store: Store) -> None:
    """A version that this worker does not know is put back, and not dead."""
    heard = Heard()

    @listener("receipt:send", OrderPaid)
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        heard.note(ctx, event)

    async with running(store, send_receipt) as runtime:
        await write(runtime, PAID, OrderPaid("a", 1), data_version=3)

        async def put_back() -> bool:
            return [*await states(runtime, send_receipt.queue)] in (["retrying"], ["scheduled"])

        await wait_until(put_back, "the event was never put back")

    assert heard.contexts == []


async def test_an_event_that_does_not_fit_is_a_dead_letter(store: Store) -> None:
    """Its listener is not told of it, and whoever hears of dead letters is."""
    heard = Heard()

    @listener("receipt:send", OrderPaid)
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        heard.note(ctx, event)

    @listener("letters:hear", DeadLetterAdded)
    async def hear_of_letters(ctx: Context, event: DeadLetterAdded) -> None:
        heard.note(ctx, event)
        raise NotFound

    async with running(store, send_receipt, hear_of_letters) as runtime:
        await write(runtime, PAID, OrderPaid("a", 1), data=msgspec.Raw(b'{"orderId":1}'))
        await wait_until(lambda: heard.by_listener["letters:hear"], "nobody was told of the dead letter")

        async def both_dead() -> bool:
            return [*await states(runtime, hear_of_letters.queue)] == ["dead"]

        await wait_until(both_dead, "the listener of dead letters never failed")
        letters = await logged(runtime, "dead-letter")

    ((letter),) = heard.by_listener["letters:hear"]
    assert (letter.queue, letter.action, letter.state) == (send_receipt.queue, "receipt:send", "dead")
    # That the listener of dead letters failed itself is no news for it.
    assert len(letters) == 1


@pytest.mark.parametrize("database_server", ["sqlite"], indirect=True)
async def test_an_event_follows_its_transaction(store: Store, database_url: str) -> None:
    """A commit announces what was published in it, a rollback nothing."""
    heard = Heard()

    @listener("receipt:send", OrderPaid)
    async def send_receipt(ctx: Context, event: OrderPaid) -> None:
        heard.note(ctx, event)

    @action("order:pay", allow(anyone))
    async def pay(ctx: Context, number: int, fails: bool = False) -> None:
        await ctx.get(Work).execute(insert(counters).values(id=number, value=1))
        await ctx.publish(OrderPaid(str(number), number))
        if fails:
            raise Conflict

    environ = {"DATABASE_URL": database_url}
    async with running(store, send_receipt, pay, environ=environ, values=[SCHEMA], needs=[Work]) as runtime:
        with pytest.raises(Conflict):
            await call(runtime, pay, number=1, fails=True)
        await call(runtime, pay, number=2)
        await wait_until(lambda: heard.contexts, "the event never came")
        found = [kept.event.partition_key for kept in await logged(runtime, "order") if kept.event is not None]
        published = runtime.require(Events, "the test").counts.published

    assert heard.by_listener["receipt:send"] == [OrderPaid("2", 2)]
    assert found == ["2"]
    assert published == {"order:paid": 1}


async def call(runtime: Runtime, what: AnyAction, **inputs: Any) -> Any:
    """Call an action as a user."""
    ctx = runtime.context(what, context(runtime).connection, caller=ADA)
    return await runtime.runner(what.name).run(ctx, lambda given: what.call((), given).inputs, inputs)


async def test_two_workers_tell_each_event_once(store: Store) -> None:
    """However many workers there are, one feeds; when it ends another goes on at once."""
    heard = Heard()

    @listener("cart:hear", CartEmptied)
    async def hear(ctx: Context, event: CartEmptied) -> None:
        heard.note(ctx, event)

    async with running(store, hear) as caller:
        async with running(store, hear) as other:
            await publish(other, *(CartEmptied(number) for number in range(30)))
        await publish(caller, *(CartEmptied(number) for number in range(30, 60)))
        await wait_until(lambda: len(heard.contexts) >= 60, "the events never came", within=20)

    assert sorted(event.items for event in heard.by_listener["cart:hear"]) == [*range(60)]


async def test_events_are_counted(store: Store) -> None:
    """What was published and how far a listener is behind is shown with the other metrics."""
    heard = Heard()

    @listener("cart:hear", CartEmptied)
    async def hear(ctx: Context, event: CartEmptied) -> None:
        heard.note(ctx, event)

    async with running(store, hear) as runtime:
        await publish(runtime, CartEmptied(1))
        await wait_until(lambda: heard.contexts, "the event never came")
        metrics = runtime.require(Metrics, "the test")

        def shown() -> bytes:
            rendered = metrics.render()
            assert isinstance(rendered, tuple)
            return rendered[1]

        await wait_until(lambda: b'antiphon_events_lag{listener="cart:hear"} 0.0' in shown(), "the lag never was 0")
        assert b'antiphon_events_published_total{event="cart:emptied"} 1.0' in shown()


async def test_a_jobs_own_events_follow_it(store: Store) -> None:
    """A job publishes as any call does, as a part of the request that asked for it."""
    heard = Heard()

    @action("cart:empty", only("worker"), allow(anyone))
    async def empty(ctx: Context) -> None:
        await ctx.publish(CartEmptied(1))

    @listener("cart:hear", CartEmptied)
    async def hear(ctx: Context, event: CartEmptied) -> None:
        heard.note(ctx, event)

    async with running(store, empty, hear, needs=[Tasks]) as runtime:
        await context(runtime, SYSTEM).later(empty)
        await wait_until(lambda: heard.contexts, "the event never came")

    assert heard.contexts[0].request_id == "r1"


async def test_two_events_of_one_name_stop_the_worker(store: Store) -> None:
    """An event that only a listener brings with it must have a name of its own as well."""

    @event("order:paid")
    class Other(Struct):
        """The same name."""

    assert event_type(Other) is not None
    wrong: Any = listener("other:hear", Other)

    async def hear(ctx: Context, event: Any) -> None:
        """Nothing."""

    hear.__annotations__["event"] = Other
    with pytest.raises(SetupError, match="Two events are called order:paid"):
        async with running(store, wrong(hear)):
            pass
