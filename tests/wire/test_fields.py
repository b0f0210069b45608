"""Fields of queries and forms: every value kept, every slip refused, and nothing unbounded."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.wire.faults import WireFault
from antiphon.wire.fields import TooManyFields, TooManyValues, parse_fields

TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",)))


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"", {}),
        (b"a=1&b=2&b=3", {"a": ["1"], "b": ["2", "3"]}),
        (b"a", {"a": [""]}),
        (b"a=", {"a": [""]}),
        (b"a=b=c", {"a": ["b=c"]}),
        (b"=1&&a=2&=", {"a": ["2"]}),
        (b"=%31&a=2", {"a": ["2"]}),
        (b"%3D=1&+=2", {"=": ["1"], " ": ["2"]}),
        (b"b[]=1&c.d=2", {"b[]": ["1"], "c.d": ["2"]}),
        (b"a=x+y&b=x%20y&c=1%2B1", {"a": ["x y"], "b": ["x y"], "c": ["1+1"]}),
        (b"a=%C3%BC", {"a": ["ü"]}),
        ("ü=ü".encode(), {"ü": ["ü"]}),
        (b"a=1;b=2", {"a": ["1;b=2"]}),
        (b"a=1&%61=2", {"a": ["1", "2"]}),
    ],
)
def test_fields_are_read_by_name_and_in_order(raw: bytes, fields: dict[str, list[str]]) -> None:
    """Every value of a name is kept; brackets and dots mean nothing; empty names are dropped."""
    assert parse_fields(raw) == fields


@pytest.mark.parametrize("raw", [b"a=%", b"a=%4", b"%zz=1", b"a=%ff", b"a=\xff", b"\xff+", b"a=1&b=%C3"])
def test_a_badly_encoded_field_is_malformed(raw: bytes) -> None:
    """Bad percent-encoding and bad UTF-8 are 400, and the message says where."""
    with pytest.raises(WireFault, match=r"^The form ") as fault:
        parse_fields(raw, where="form")

    assert fault.value.status == 400


def test_a_fault_repeats_no_value() -> None:
    """What was sent is not in the message."""
    with pytest.raises(WireFault) as fault:
        parse_fields(b"password=hunter2%")

    assert "hunter2" not in fault.value.message


@pytest.mark.parametrize("raw", [b"a=1", b"a=%31"])
def test_one_name_has_at_most_so_many_values(raw: bytes) -> None:
    """The thousandth value is read; one more is too many, and the error names the field."""
    assert len(parse_fields(b"&".join([raw] * 1000))["a"]) == 1000
    with pytest.raises(TooManyValues) as error:
        parse_fields(b"&".join([raw] * 1001))

    assert (error.value.name, error.value.limit) == ("a", 1000)


def test_many_names_with_few_values_each_are_fine() -> None:
    """The bound of values is for each name."""
    raw = b"&".join(b"f%d=1" % number for number in range(3000))

    assert len(parse_fields(raw)) == 3000


def test_there_are_at_most_so_many_fields() -> None:
    """The number of fields is bounded before any is read, dropped ones included."""
    with pytest.raises(TooManyFields):
        parse_fields(b"&" * 10_000)


@given(st.lists(st.tuples(TEXT.filter(bool), TEXT), max_size=20))
def test_what_a_client_encodes_is_what_is_read(pairs: list[tuple[str, str]]) -> None:
    """Fields written the usual way come back as they were."""
    expected: dict[str, list[str]] = {}
    for name, value in pairs:
        expected.setdefault(name, []).append(value)

    assert parse_fields(urlencode(pairs).encode()) == expected


@given(st.binary(max_size=60))
def test_any_bytes_are_fields_or_malformed(raw: bytes) -> None:
    """No query ends in anything but fields or a 400."""
    try:
        fields = parse_fields(raw)
    except WireFault as malformed:
        fields = {malformed.type: ["400"]}

    assert all(name and values for name, values in fields.items())
