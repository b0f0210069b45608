"""Tests for messages and names: what travels, what is refused, and which key or id stands for what."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest

from antiphon.core.errors import TooLarge
from antiphon.services.streams.keys import (
    child_id,
    digest_of,
    event_job_id,
    queue_of,
    queue_of_listener,
    tick_id,
    valid_queue,
)
from antiphon.services.streams.message import (
    CloudEvent,
    Undecodable,
    UnknownVersion,
    decode_event,
    decode_job,
    encode_event,
    encode_job,
)
from tests.services.streams_stage import message, ordered


def test_a_job_is_json_as_the_contract_says() -> None:
    """Every field of the contract is there under its name, and what nobody said is left out."""
    sent = message(enqueued_at=datetime(2026, 1, 1, tzinfo=UTC))

    assert json.loads(encode_job(sent)) == {
        "v": 1,
        "id": sent.id,
        "action": "mail:send",
        "schema": "a41f",
        "inputs": {"to": "alice"},
        "caller": {"kind": "user", "id": "alice", "tenantId": "choir", "via": "http"},
        "requestId": "r1",
        "traceparent": "",
        "tracestate": "",
        "key": "",
        "priority": "normal",
        "attempts": 5,
        "dueAt": None,
        "batch": None,
        "enqueuedAt": "2026-01-01T00:00:00Z",
    }


def test_a_job_comes_back_as_it_was() -> None:
    """Decoding gives what was encoded, fields that are rarely said included."""
    sent = message(lanes=(ordered("room"),), unique="ab", window=1.5, keep=2.5, once="k", replay=True)

    assert decode_job(encode_job(sent)) == sent


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"v":1}', b'{"v":0}', b"\xff", b'{"v":"2"}'])
def test_bytes_that_are_no_job_are_undecodable(data: bytes) -> None:
    """What no release has written is told apart."""
    with pytest.raises(Undecodable):
        decode_job(data)


@pytest.mark.parametrize("fits", [True, False])
def test_a_newer_job_is_of_an_unknown_version(fits: bool) -> None:
    """A higher version is another release's, whether its shape fits ours or not."""
    data = encode_job(message()).replace(b'"v":1', b'"v":2') if fits else b'{"v":2}'

    with pytest.raises(UnknownVersion):
        decode_job(data)


def test_an_event_is_a_cloud_event() -> None:
    """An event is structured JSON with the names of CloudEvents, and comes back as it was."""
    event = CloudEvent(
        id="e1",
        source="/olympus",
        type="olympus.order.paid",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        data=msgspec.Raw(b'{"total":1200}'),
        data_version=2,
        tenant_id="choir",
    )

    data = encode_event(event)

    assert json.loads(data) == {
        "specversion": "1.0",
        "id": "e1",
        "source": "/olympus",
        "type": "olympus.order.paid",
        "time": "2026-01-01T00:00:00Z",
        "data": {"total": 1200},
        "datacontenttype": "application/json",
        "dataversion": 2,
        "tenantid": "choir",
    }
    assert decode_event(data) == event


def test_an_event_has_a_bound() -> None:
    """An event over 64 KiB is TooLarge."""
    event = CloudEvent(id="e", source="/x", type="x", time=datetime.now(UTC), data=msgspec.Raw(b"1" * 65_536))

    with pytest.raises(TooLarge, match="reference"):
        encode_event(event)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"specversion":"0.3"}', b"\xff"])
def test_bytes_that_are_no_event_are_undecodable(data: bytes) -> None:
    """What is no CloudEvent 1.0 is told apart."""
    with pytest.raises(Undecodable):
        decode_event(data)


@pytest.mark.parametrize(
    ("made", "queue"),
    [
        (tick_id("mail", "messages:cleanup", 1_700_000_000_000), "mail"),
        (child_id("mail", "0193", 12), "mail"),
        (event_job_id("receipt:send", "0193-ab"), "on.receipt:send"),
        (event_job_id("receipt:send", "of/another system.1 "), "on.receipt:send"),
        (event_job_id("receipt:send", "0193-ab", "r7"), "on.receipt:send"),
    ],
)
def test_every_id_leads_to_its_queue(made: str, queue: str) -> None:
    """Ids that are made of other names say which queue they are of."""
    assert queue_of(made) == queue


def test_ids_of_events_stay_apart() -> None:
    """Two events, and two replays of one, are different jobs."""
    ids = [event_job_id("a:b", name, replay) for name in ("x", "y", "x.", "x ") for replay in ("", "r1", "r2")]

    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", ["", "Mail", "mail ", "ma{il", "a.b.c", "1a", "on.", "a" * 101])
def test_a_queues_name_has_a_form(name: str) -> None:
    """A name that could not stand in a key or an id is none."""
    assert not valid_queue(name)
    assert valid_queue(queue_of_listener("receipt:send"))


def test_a_digest_is_what_scripts_can_read() -> None:
    """Digests are lower hexadecimal digits, and the same text has the same one."""
    assert set(digest_of("order:1")) <= set("0123456789abcdef")
    assert digest_of("order:1") == digest_of("order:1") != digest_of("order:2")
