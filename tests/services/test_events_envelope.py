"""CloudEvents: what our events look like outside, and what is taken from others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from antiphon.core.errors import InvalidInput
from antiphon.core.event import EventTable
from antiphon.services.events.envelope import (
    Names,
    Origin,
    envelope,
    is_binary,
    read_binary,
    read_structured,
)
from antiphon.services.streams.message import decode_event, encode_event
from tests.services.events_stage import PAID, SHIPPED, OrderPaid

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ORIGIN = Origin("e1", NOW, "choir", "ada", "r1", "00-aa-bb-01", "x=y")
NAMES = Names("My Shop", "https://shop.example/")

STRUCTURED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "7",
    "source": "/billing",
    "type": "my-shop.order.paid",
    "time": "2026-01-02T03:04:05Z",
    "datacontenttype": "application/json",
    "dataversion": 2,
    "subject": "o-1",
    "data": {"orderId": "o-1", "total": 5},
}


def test_an_event_has_every_attribute_of_the_specification() -> None:
    """Names are lower-case letters, the time is RFC 3339, and what is empty is absent."""
    made = json.loads(encode_event(envelope(PAID, OrderPaid("o-1", 1200), NAMES, ORIGIN)))

    assert made == {
        "specversion": "1.0",
        "id": "e1",
        "source": "/my-shop",
        "type": "my-shop.order.paid",
        "subject": "o-1",
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "https://shop.example/api/events/schemas/order:paid/2",
        "data": {"orderId": "o-1", "total": 1200},
        "dataversion": 2,
        "partitionkey": "o-1",
        "tenantid": "choir",
        "callerid": "ada",
        "requestid": "r1",
        "traceparent": "00-aa-bb-01",
        "tracestate": "x=y",
    }


def test_an_event_survives_its_way() -> None:
    """What was written is read again as it was."""
    made = envelope(PAID, OrderPaid("o-1", 1200), NAMES, ORIGIN)

    assert decode_event(encode_event(made)) == made


def test_a_type_names_one_event() -> None:
    """A type is found again by its name, and no other application's is."""
    table = EventTable([PAID, SHIPPED])

    assert NAMES.kind_of("my-shop.order.shipped", table) == SHIPPED
    assert NAMES.kind_of("other.order.shipped", table) is None
    assert NAMES.kind_of("my-shop.order", table) is None


def test_structured_and_binary_mean_the_same() -> None:
    """The same event in either mode is the same event."""
    headers = {f"ce-{name}": str(value) for name, value in STRUCTURED.items() if name != "data"}
    del headers["ce-datacontenttype"]
    headers["content-type"] = "application/json; charset=utf-8"
    body = msgspec.json.encode(STRUCTURED["data"])

    structured, binary = read_structured(STRUCTURED, NOW), read_binary(headers, body, NOW)

    assert structured == binary
    assert structured.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (structured.data_version, structured.subject) == (2, "o-1")
    assert is_binary(headers)
    assert not is_binary({"content-type": "application/cloudevents+json"})


def test_headers_are_unescaped() -> None:
    """Letters beyond ASCII come percent-encoded, and a value may stand in quotes."""
    headers = {"ce-specversion": "1.0", "ce-id": '"a%20b"', "ce-source": "/caf%C3%A9", "ce-type": "t"}

    found = read_binary(headers, b"{}", NOW)

    assert (found.id, found.source, found.time) == ("a b", "/café", NOW)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ""}, "id"),
        ({"id": None}, "id"),
        ({"source": 7}, "source"),
        ({"type": "a\nb"}, "type"),
        ({"type": "x" * 2000}, "type"),
        ({"time": "yesterday"}, "time"),
        ({"time": "2026-01-01T00:00:00"}, "time"),
        ({"datacontenttype": "text/xml"}, "datacontenttype"),
        ({"datacontenttype": 7}, "datacontenttype"),
        ({"dataversion": "2"}, "dataversion"),
        ({"dataversion": True}, "dataversion"),
        ({"data": None}, "data"),
        ({"data_base64": "e30="}, "data_base64"),
    ],
)
def test_what_is_no_event_is_refused_by_name(changes: dict[str, Any], fault: str) -> None:
    """Every attribute at fault is named."""
    with pytest.raises(InvalidInput) as refused:
        read_structured({**STRUCTURED, **changes}, NOW)

    assert [each.name for each in refused.value.fields] == [fault]


def test_a_body_that_is_no_json_is_refused() -> None:
    """The binary mode carries the data as it is, which must be JSON."""
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "ce-dataversion": "x"}

    with pytest.raises(InvalidInput) as refused:
        read_binary(headers, b"{", NOW)

    assert [each.name for each in refused.value.fields] == ["data", "dataversion"]
