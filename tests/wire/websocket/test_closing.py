"""Close codes: who may send them, what a frame says, and who comes back."""

from __future__ import annotations

import pytest

from antiphon.wire.websocket.closing import is_passing, is_sendable, read_close
from antiphon.wire.websocket.events import Close, Fault


def test_the_codes_that_may_be_sent_are_the_registered_ones_and_the_upper_half() -> None:
    """All 65,536 of them, by the registry of RFC 6455 §11.7 as it stands."""
    sendable = {code for code in range(65536) if is_sendable(code)}

    assert sendable == {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1013, 4000, 4001, 4004, 4008, 4029, 4123, 4499])
def test_a_client_comes_back_after_what_passes(code: int) -> None:
    """Going away, restart, full, our fault, no code, and everything from 4000 to 4499."""
    assert is_passing(code)


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009, 3000, 4500, 4501, 4503, 4504, 4509, 4522, 4999])
def test_a_client_stops_after_what_does_not_pass(code: int) -> None:
    """Done, protocol errors, and everything from 4500 on."""
    assert not is_passing(code)


@pytest.mark.parametrize(
    ("payload", "close"),
    [
        (b"", Close(1005, "")),
        (b"\x03\xe8", Close(1000, "")),
        (b"\x0f\xa8" + "zu langsam, schön".encode(), Close(4008, "zu langsam, schön")),
        (b"\x0b\xb8" + b"a" * 123, Close(3000, "a" * 123)),
    ],
)
def test_a_close_is_read(payload: bytes, close: Close) -> None:
    """Nothing, a code, or a code and a reason."""
    assert read_close(payload) == close


def test_half_a_code_is_a_fault() -> None:
    """One byte says nothing (RFC 6455 §5.5.1)."""
    assert isinstance(read_close(b"\x03"), Fault)
