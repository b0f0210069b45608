"""Percent-encoding: whatever was encoded comes back, and nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.percent import BadEncoding, percent_decode, percent_encode


@given(st.text())
def test_what_is_encoded_decodes_to_itself(text: str) -> None:
    """Any text survives encoding and decoding."""
    encoded = percent_encode(text)

    assert percent_decode(encoded.encode("ascii")) == text


@pytest.mark.parametrize("raw", [b"%", b"a%4", b"%zz", b"%+f", b"% 1", b"%_1", b"%0x", b"%%41", b"%4%31"])
def test_a_bad_percent_encoding_is_refused(raw: bytes) -> None:
    """A percent sign without two hex digits is refused, not passed through."""
    with pytest.raises(BadEncoding, match="bad percent-encoding"):
        percent_decode(raw)


@pytest.mark.parametrize("raw", [b"%ff", b"\xff", b"%C0%AF", b"%ED%A0%80", b"%C3", b"%F4%90%80%80"])
def test_bad_utf8_is_refused(raw: bytes) -> None:
    """Broken, overlong and surrogate UTF-8 is refused, also when it is encoded."""
    with pytest.raises(BadEncoding, match="not UTF-8"):
        percent_decode(raw)


def test_a_plus_is_a_plus() -> None:
    """Decoding leaves "+" alone: only fields read it as a space."""
    assert percent_decode(b"a+b%2B") == "a+b+"
