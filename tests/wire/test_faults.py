"""The faults of the wire: one table with the contract, and the headers that each of them carries."""

from __future__ import annotations

from datetime import timedelta

import pytest

from antiphon.wire import faults
from antiphon.wire.faults import FAULTS, WireFault

STATUSES = {
    "MALFORMED": 400,
    "METHOD_NOT_ALLOWED": 405,
    "NOT_ACCEPTABLE": 406,
    "REQUEST_TIMEOUT": 408,
    "URL_TOO_LONG": 414,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "RANGE_NOT_SATISFIABLE": 416,
    "EXPECTATION_FAILED": 417,
    "MISDIRECTED": 421,
    "UPGRADE_REQUIRED": 426,
    "HEADERS_TOO_LARGE": 431,
    "NOT_FOUND": 404,
    "TOO_LARGE": 413,
    "UNAVAILABLE": 503,
    "NOT_SIGNED_IN": 401,
    "FORBIDDEN": 403,
}

MADE = {
    fault.type: fault
    for fault in (
        faults.malformed(),
        faults.method_not_allowed(["GET", "HEAD"]),
        faults.not_acceptable(["application/json", "text/csv"]),
        faults.request_timeout(),
        faults.url_too_long(8192),
        faults.unsupported_media_type(accept=["application/json"], accept_encoding=["identity"]),
        faults.range_not_satisfiable(1234),
        faults.expectation_failed(),
        faults.misdirected(),
        faults.upgrade_required(),
        faults.headers_too_large(),
        faults.not_found(),
        faults.too_large(1024),
        faults.unavailable(retry_after=timedelta(milliseconds=1500)),
        faults.not_signed_in(),
        faults.forbidden(),
    )
}


def test_the_table_is_the_contract() -> None:
    """Every fault of the wire has the type and the status that clients are promised."""
    assert {name: row.status for name, row in FAULTS.items()} == STATUSES


@pytest.mark.parametrize("type", FAULTS)
def test_every_fault_has_a_constructor(type: str) -> None:
    """No fault has to be put together by hand, and each says something."""
    fault = MADE[type]

    assert fault.status == FAULTS[type].status
    assert fault.message.endswith(".")
    assert str(fault) == fault.message


@pytest.mark.parametrize(
    ("type", "headers"),
    [
        ("METHOD_NOT_ALLOWED", [(b"allow", b"GET, HEAD")]),
        ("UNSUPPORTED_MEDIA_TYPE", [(b"accept", b"application/json"), (b"accept-encoding", b"identity")]),
        ("RANGE_NOT_SATISFIABLE", [(b"content-range", b"bytes */1234")]),
        ("UPGRADE_REQUIRED", [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]),
        ("UNAVAILABLE", [(b"retry-after", b"2")]),
        ("NOT_SIGNED_IN", [(b"www-authenticate", b"Bearer")]),
    ],
)
def test_a_fault_carries_the_headers_its_status_asks_for(type: str, headers: list[tuple[bytes, bytes]]) -> None:
    """What RFC 9110 wants beside a status is there, so that nobody can forget it."""
    assert MADE[type].headers == headers


@pytest.mark.parametrize("type", FAULTS)
def test_only_what_ends_the_reading_closes(type: str) -> None:
    """By itself a fault closes the connection only where that is promised."""
    assert MADE[type].close is (type in ("REQUEST_TIMEOUT", "URL_TOO_LONG", "HEADERS_TOO_LARGE"))


def test_a_broken_framing_closes() -> None:
    """Where the framing itself is in doubt, whoever finds it asks for the end of the connection."""
    assert faults.malformed("A chunk has no size.", close=True).close


def test_a_fault_tells_limits_and_offers() -> None:
    """A message says what would have been right."""
    assert "8192 bytes" in MADE["URL_TOO_LONG"].message
    assert "1024 bytes" in MADE["TOO_LARGE"].message
    assert "application/json, text/csv" in MADE["NOT_ACCEPTABLE"].message


def test_unavailable_says_when_to_come_back() -> None:
    """The seconds are there as a number, whole and rounded up in the header, and never negative."""
    assert MADE["UNAVAILABLE"].retry_after == 1.5
    assert faults.unavailable(retry_after=-3).headers == [(b"retry-after", b"0")]


def test_the_headers_of_a_fault_are_its_own() -> None:
    """Adding a header to one fault changes no other."""
    faults.not_signed_in().headers.append((b"x", b"y"))

    assert faults.not_signed_in().headers == [(b"www-authenticate", b"Bearer")]


def test_an_unknown_type_is_refused() -> None:
    """A type that is not in the table cannot be told to anyone."""
    with pytest.raises(KeyError):
        WireFault("TEAPOT")
