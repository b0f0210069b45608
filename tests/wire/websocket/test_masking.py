"""Masking by C and by integers is the same, and undoes itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.websocket.masking import mask, mask_by_integers

KEY = st.binary(min_size=4, max_size=4)


@given(st.binary(max_size=300), KEY)
def test_a_mask_is_each_byte_xored(data: bytes, key: bytes) -> None:
    """RFC 6455 §5.3, word for word."""
    expected = bytes(byte ^ key[at % 4] for at, byte in enumerate(data))

    assert mask(data, key) == expected
    assert mask_by_integers(data, key) == expected


@given(st.binary(max_size=300), KEY)
def test_a_mask_undoes_itself(data: bytes, key: bytes) -> None:
    """The same key again gives the data back."""
    assert mask_by_integers(mask_by_integers(data, key), key) == data
