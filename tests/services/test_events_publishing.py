"""Publishing: at once, with a transaction, for other services; and what an event's schema is."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from antiphon.core.caller import Caller
from antiphon.core.errors import InvalidInput, NotFound, SetupError, TooLarge
from antiphon.core.inputs.kinds import Struct
from antiphon.services.events.envelope import read_structured
from antiphon.services.events.events import Events
from antiphon.stores.base import Store
from tests.services.events_stage import (
    ADA,
    KEPT,
    CartEmptied,
    OrderPaid,
    OrderShipped,
    context,
    log_of,
    logged,
    publish,
    running,
)

pytestmark = pytest.mark.lasting_keys(*KEPT)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7",
    "source": "/billing",
    "type": "shop.order.paid",
    "dataversion": 1,
    "data": {"orderId": "o-1", "sum": "5"},
}


async def test_an_event_is_kept_with_who_and_what(store: Store) -> None:
    """The log has the event as the call's, and the call its id."""
    async with running(store, works=False) as runtime:
        (event_id,) = await publish(runtime, OrderPaid("o-1", 1200))

        (kept,) = await logged(runtime, "order")

    assert kept.event is not None
    assert (kept.event.id, kept.event.type, kept.event.source) == (event_id, "shop.order.paid", "/shop")
    assert (kept.event.tenant_id, kept.event.caller_id, kept.event.request_id) == ("choir", "ada", "r1")
    assert json.loads(bytes(kept.event.data)) == {"orderId": "o-1", "total": 1200}


async def test_events_of_one_stream_have_one_order(store: Store) -> None:
    """The word before the colon is the log."""
    async with running(store, works=False) as runtime:
        await publish(runtime, OrderPaid("a", 1), CartEmptied(1), OrderShipped("a"), OrderPaid("b", 1))

        found = [kept.event.type for kept in await logged(runtime, "order") if kept.event is not None]
        places = [kept.place.number for kept in await logged(runtime, "order")]

    assert found == ["shop.order.paid", "shop.order.shipped", "shop.order.paid"]
    assert places == [1, 2, 3]


async def test_a_repeat_by_id_is_no_second_event(store: Store) -> None:
    """What an outbox sends again is known."""
    async with running(store, works=False) as runtime:
        await publish(runtime, CartEmptied(1))
        (kept,) = await logged(runtime, "cart")
        assert kept.event is not None

        again = await log_of(runtime).append("cart", [(kept.event.id, kept.data), ("another", kept.data)])

        assert [each.new for each in again] == [False, True]
        assert len(await logged(runtime, "cart")) == 2


async def test_what_is_no_event_cannot_be_published(store: Store) -> None:
    """The error has the line to write."""

    class Plain(Struct):
        """No event."""

    async with running(store, works=False) as runtime:
        with pytest.raises(SetupError, match="above `class Plain`"):
            await publish(runtime, Plain())


async def test_an_event_has_a_bound(store: Store) -> None:
    """Over 64 KiB it is TooLarge, and nothing is kept."""
    async with running(store, works=False) as runtime:
        with pytest.raises(TooLarge):
            await publish(runtime, OrderShipped("x" * 70_000))

        assert await logged(runtime, "order") == []


async def test_a_log_is_bounded(store: Store) -> None:
    """About `events.max_events` are kept, and no fewer."""
    async with running(store, works=False, environ={"EVENTS_MAX_EVENTS": "100"}) as runtime:
        events = [(f"e{number}", b"{}") for number in range(1000)]
        await log_of(runtime).append("cart", events)

        state = await log_of(runtime).state("cart")

    assert state is not None
    assert 100 <= state.events <= 200
    assert state.last.number == 1000


async def test_what_is_old_goes_away_without_new_events(store: Store) -> None:
    """A log to which nothing is added does not keep things for ever, and goes on counting."""
    async with running(store, works=False) as runtime:
        await publish(runtime, CartEmptied(1), CartEmptied(2))
        log = log_of(runtime)
        state = await log.state("cart")
        assert state is not None
        assert state.first is not None
        await store.client.execute_command("XADD", log.keys.log("old"), "5-1", "n", 1, "event", "{}")

        trimmed = [await log.trim("cart"), await log.trim("old"), await log.trim("nothing")]
        await publish(runtime, CartEmptied(3))

        assert trimmed == [0, 1, 0]
        assert [kept.place.number for kept in await logged(runtime, "cart")] == [1, 2, 3]
        assert await log.streams() == ["cart"]


async def accept(runtime: Any, sent: dict[str, Any], caller: Caller = ADA) -> str:
    """What `POST /api/events` does."""
    events = runtime.require(Events, "the test")
    return await events.publishing.accept(context(runtime, caller), read_structured(sent, NOW))


async def test_another_services_event_is_announced_as_its_own(store: Store) -> None:
    """It keeps id and source, gets the tenant of its caller and the key of its data, and is known by both."""
    async with running(store, works=False) as runtime:
        ids = [
            await accept(runtime, SENT),
            await accept(runtime, SENT),
            await accept(runtime, {**SENT, "source": "/b"}),
        ]

        kept = [each.event for each in await logged(runtime, "order") if each.event is not None]

    assert ids == ["7", "7", "7"]
    assert [(event.id, event.source, event.tenant_id, event.partition_key) for event in kept] == [
        ("7", "/billing", "choir", "o-1"),
        ("7", "/b", "choir", "o-1"),
    ]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"type": "shop.order.unknown"}, "type"),
        ({"type": "other.order.paid"}, "type"),
        ({"source": "/shop"}, "source"),
        ({"dataversion": 3}, "dataversion"),
        ({"dataversion": 2}, "data.total"),
    ],
)
async def test_an_event_that_is_not_known_is_refused(store: Store, changes: dict[str, Any], fault: str) -> None:
    """Unknown types, newer versions and data that does not fit are InvalidInput, by name."""
    async with running(store, works=False) as runtime:
        with pytest.raises(InvalidInput) as refused:
            await accept(runtime, {**SENT, "data": {"orderId": "o", "sum": "1"}, **changes})

    assert fault in [each.name for each in refused.value.fields]


async def test_the_schema_of_an_event_can_be_had(store: Store) -> None:
    """It is that of the newest version; others are not found."""
    async with running(store, works=False) as runtime:
        publishing = runtime.require(Events, "the test").publishing

        schema = publishing.schema(runtime.events, "order:paid", 2)
        with pytest.raises(NotFound):
            publishing.schema(runtime.events, "order:paid", 1)
        with pytest.raises(NotFound):
            publishing.schema(runtime.events, "order:unknown", 1)

    assert schema["$id"] == "/api/events/schemas/order:paid/2"
    assert set(schema["$defs"]["OrderPaid"]["properties"]) == {"orderId", "total"}
    assert msgspec.json.encode(schema)
